//! Signatures inside payloads: an agent puts its name under something that outlives the entry it stands in.

use std::fmt;
use std::str::FromStr;

use colony_core::Digest;
use colony_core::signature::{KeyError, PublicKey, Signer};

/// An Ed25519 signature. Shown and read as 128 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

/// The text is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an Ed25519 signature has 128 hexadecimal digits")]
pub struct SignatureTextError;

impl Signature {
    /// Signs a digest.
    ///
    /// # Errors
    /// [`KeyError`] if the key cannot sign.
    pub fn make(signer: &Signer, digest: &Digest) -> Result<Self, KeyError> {
        let bytes = signer.sign(digest)?;
        bytes.as_slice().try_into().map(Self).map_err(|_| KeyError::Seed)
    }

    /// Returns whether this key signed this digest.
    pub fn holds(&self, key: &PublicKey, digest: &Digest) -> bool {
        key.verifies(digest, &self.0)
    }
}

impl FromStr for Signature {
    type Err = SignatureTextError;
    fn from_str(text: &str) -> Result<Self, SignatureTextError> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let mut bytes = [0; 64];
        if text.len() != 128 {
            return Err(SignatureTextError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return Err(SignatureTextError) };
            let (high, low) = digit(high).zip(digit(low)).ok_or(SignatureTextError)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Signature {
    type Error = SignatureTextError;
    fn try_from(text: String) -> Result<Self, SignatureTextError> {
        text.parse()
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> String {
        signature.to_string()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
