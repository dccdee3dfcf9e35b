//! Ed25519 signatures with NKeys: made by authors, checked by readers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use nkeys::KeyPair;

use crate::digest::Digest;
use crate::name::AgentName;

/// An agent's secret key, which signs its entries.
#[derive(Clone)]
pub struct Signer {
    pair: Arc<KeyPair>,
    public: PublicKey,
}

impl Signer {
    /// Reads an NKey seed (`SU...`).
    ///
    /// # Errors
    /// [`KeyError`] if the text is no seed.
    pub fn from_seed(seed: &str) -> Result<Self, KeyError> {
        let pair = KeyPair::from_seed(seed.trim()).map_err(|_| KeyError::Seed)?;
        let public = pair.public_key().parse()?;
        Ok(Self { pair: Arc::new(pair), public })
    }

    /// Returns the key that checks what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a digest.
    ///
    /// What is digested must begin with a line of its own, as entries begin with `colony.entry.v1`, so that no signature
    /// can be used for another purpose.
    ///
    /// # Errors
    /// [`KeyError`] if the key cannot sign.
    pub fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        self.pair.sign(digest.as_bytes()).map_err(|_| KeyError::Seed)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, secret redacted)", self.public)
    }
}

/// An agent's public key: an NKey of a user (`U...`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(Arc<str>);

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not an NKey seed.
    #[error("not an NKey seed: a seed of an agent begins with SU")]
    Seed,
    /// Not a public NKey.
    #[error("not a public NKey: the public key of an agent begins with U")]
    Public,
}

impl PublicKey {
    /// Returns the key in its text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this key signed this digest.
    pub fn verifies(&self, digest: &Digest, signature: &[u8]) -> bool {
        KeyPair::from_public_key(&self.0)
            .is_ok_and(|pair| pair.verify(digest.as_bytes(), signature).is_ok())
    }
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        match KeyPair::from_public_key(text) {
            Ok(_) if text.starts_with('U') => Ok(Self(text.into())),
            _ => Err(KeyError::Public),
        }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a reader asks of signatures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignaturePolicy {
    /// Signatures are not looked at.
    Off,
    /// A signature that is there must hold, and must be by the author's known key where one is known.
    #[default]
    IfPresent,
    /// Every entry must be signed by its author's known key.
    Required,
}

/// Checks the signatures of entries under a [`SignaturePolicy`].
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    policy: SignaturePolicy,
    keys: BTreeMap<AgentName, PublicKey>,
}

/// Why an entry's signature does not satisfy the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The policy requires a signature and there is none.
    #[error("the entry is not signed, and the policy requires signatures")]
    Missing,
    /// The signature does not hold for the entry's bytes.
    #[error("the signature does not match the entry: it was altered or moved")]
    Wrong,
    /// The signature is by a key that is not the author's.
    #[error("signed by {actual}, which is not the key known of {author}")]
    Stranger {
        /// The author the entry names.
        author: AgentName,
        /// The key that signed.
        actual: PublicKey,
    },
    /// The policy requires the author's key to be known.
    #[error("no key is known of {author}, and the policy requires one")]
    UnknownAuthor {
        /// The author the entry names.
        author: AgentName,
    },
}

impl Verifier {
    /// Returns a digest of the policy and the keys: readers of which it is equal read the same entries.
    pub fn digest(&self) -> Digest {
        let policy: u8 = match self.policy {
            SignaturePolicy::Off => 1,
            SignaturePolicy::IfPresent => 2,
            SignaturePolicy::Required => 3,
        };
        let mut bytes = vec![policy];
        for (agent, key) in &self.keys {
            for text in [agent.as_str(), &key.0] {
                bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        Digest::of(&bytes)
    }

    /// Makes a verifier that knows the keys of some agents.
    pub fn new(policy: SignaturePolicy, keys: BTreeMap<AgentName, PublicKey>) -> Self {
        Self { policy, keys }
    }

    pub(crate) fn check(
        &self,
        author: &AgentName,
        digest: &Digest,
        signature: Option<(&PublicKey, &[u8])>,
    ) -> Result<(), SignatureError> {
        let required = match self.policy {
            SignaturePolicy::Off => return Ok(()),
            SignaturePolicy::IfPresent => false,
            SignaturePolicy::Required => true,
        };
        let Some((signer, signature)) = signature else {
            return if required { Err(SignatureError::Missing) } else { Ok(()) };
        };
        match self.keys.get(author) {
            Some(known) if known != signer => {
                return Err(SignatureError::Stranger {
                    author: author.clone(),
                    actual: signer.clone(),
                });
            }
            None if required => {
                return Err(SignatureError::UnknownAuthor { author: author.clone() });
            }
            Some(_) | None => {}
        }
        if signer.verifies(digest, signature) { Ok(()) } else { Err(SignatureError::Wrong) }
    }
}
