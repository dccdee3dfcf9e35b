//! What agents and administrators may do at the server.
//!
//! A server includes a file of users, made of one block for each. Nothing secret is in it: users
//! log in by signing with the private half of their NKey.

use std::fmt::Write;

use nkeys::{KeyPair, KeyPairType};
use thiserror::Error;

/// A name or key cannot be put into a file of users.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The name would have a meaning of its own in a subject or in the file.
    #[error(
        "{name:?} is not a name: 1 to {MAX_NAME_BYTES} letters, digits, `-` and `_`, the first a \
         letter or digit"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The key is not the public NKey of a user.
    #[error("{key:?} is not the public NKey of a user: 56 characters that begin with U")]
    BadKey {
        /// The key.
        key: String,
    },
}

/// The longest name of a space or an agent. Names are those that stand in a subject as they are;
/// an agent whose name has to be escaped there gets no block.
const MAX_NAME_BYTES: usize = 64;

/// The prefix of the inboxes of one agent, to be set on its connections. Only this agent receives
/// what is sent there.
///
/// # Errors
///
/// [`CredentialError::BadName`].
pub fn inbox_prefix(agent: &str) -> Result<String, CredentialError> {
    Ok(format!("_INBOX_{}", name(agent)?))
}

/// The block of one agent in one space.
///
/// It may append under its own name and set the heads of entities, speak on its own live subjects,
/// and read all of the space. It can neither make nor change nor delete streams.
///
/// The server checks the subject of a message and not where its answer goes: see the runbook on
/// what that leaves to the readers.
///
/// # Errors
///
/// [`CredentialError`] by the argument that is not what it should be.
pub fn permission_block(
    space: &str,
    agent: &str,
    public_nkey: &str,
) -> Result<String, CredentialError> {
    let (space, agent, key) = (name(space)?, name(agent)?, user_key(public_nkey)?);
    let stream = format!("COLONY_{space}");
    let publish = [
        format!("colony.{space}.{agent}.>"),
        format!("colony.{space}._._.head.>"),
        format!("colony-live.{space}.{agent}.>"),
        "$JS.API.INFO".to_owned(),
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.>"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.>"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.>"),
        format!("$JS.ACK.{stream}.>"),
        "$JS.FC.>".to_owned(),
    ];
    let subscribe = [
        format!("{}.>", inbox_prefix(agent)?),
        format!("colony.{space}.>"),
        format!("colony-live.{space}.>"),
    ];
    Ok(block(&format!("agent {agent} in space {space}"), key, &publish, &subscribe))
}

/// The block of an administrator, who may make, change, back up and delete streams of all spaces,
/// and append to none.
///
/// # Errors
///
/// [`CredentialError`] by the argument that is not what it should be.
pub fn admin_block(admin: &str, public_nkey: &str) -> Result<String, CredentialError> {
    let (admin, key) = (name(admin)?, user_key(public_nkey)?);
    let publish = ["$JS.>".to_owned()];
    let subscribe =
        [format!("{}.>", inbox_prefix(admin)?), "colony.>".to_owned(), "colony-live.>".to_owned()];
    Ok(block(&format!("administrator {admin}"), key, &publish, &subscribe))
}

/// The block of an operator, who sees and manages the servers through the system account, and
/// none of the spaces.
///
/// # Errors
///
/// [`CredentialError::BadKey`].
pub fn operator_block(public_nkey: &str) -> Result<String, CredentialError> {
    Ok(format!("  {{ nkey: {} }}\n", user_key(public_nkey)?))
}

/// The file that a server includes: the blocks of all its users.
pub fn users_file<B: AsRef<str>>(blocks: impl IntoIterator<Item = B>) -> String {
    let mut file = String::from("users: [\n");
    for block in blocks {
        file.push_str(block.as_ref());
    }
    file.push_str("]\n");
    file
}

fn block(who: &str, key: &str, publish: &[String], subscribe: &[String]) -> String {
    let mut out = String::new();
    let mut list = |verb: &str, subjects: &[String]| {
        let _ = writeln!(out, "      {verb}: {{ allow: [");
        for subject in subjects {
            let _ = writeln!(out, "        \"{subject}\"");
        }
        let _ = writeln!(out, "      ] }}");
    };
    list("publish", publish);
    list("subscribe", subscribe);
    format!("  # {who}\n  {{\n    nkey: {key}\n    permissions: {{\n{out}    }}\n  }}\n")
}

/// Everything else could end its token, its quotes or its line.
fn name(name: &str) -> Result<&str, CredentialError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && name.len() <= MAX_NAME_BYTES && name.bytes().all(allowed) {
        return Ok(name);
    }
    Err(CredentialError::BadName { name: name.to_owned() })
}

fn user_key(key: &str) -> Result<&str, CredentialError> {
    match KeyPair::from_public_key(key) {
        Ok(pair) if pair.key_pair_type() == KeyPairType::User => Ok(key),
        _ => Err(CredentialError::BadKey { key: key.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_may_publish_under_its_own_name_only() {
        let key = KeyPair::new_user().public_key();
        let block = permission_block("demo", "alice", &key).unwrap();
        assert!(block.contains(&key));
        let (publish, subscribe) = block.split_once("subscribe").unwrap();
        assert!(publish.contains("\"colony.demo.alice.>\""));
        assert!(!publish.contains("\"colony.demo.>\""));
        assert!(subscribe.contains("\"_INBOX_alice.>\""));
        assert!(!block.contains("\">\""));
    }

    #[test]
    fn a_name_that_could_widen_the_permissions_is_refused() {
        let key = KeyPair::new_user().public_key();
        for bad in ["", "*", ">", "a.b", "a b", "a\"", "a\n", "_", "$SYS", "ä", &"a".repeat(65)] {
            let refused = Err(CredentialError::BadName { name: bad.to_owned() });
            assert_eq!(permission_block("demo", bad, &key), refused, "{bad:?} as an agent");
            assert_eq!(permission_block(bad, "alice", &key), refused, "{bad:?} as a space");
            assert_eq!(admin_block(bad, &key), refused, "{bad:?} as an administrator");
        }
    }

    #[test]
    fn only_the_public_key_of_a_user_is_taken() {
        let user = KeyPair::new_user();
        let mut changed = user.public_key();
        changed.replace_range(9..10, if &changed[9..10] == "A" { "B" } else { "A" });
        for bad in [user.seed().unwrap(), KeyPair::new_account().public_key(), changed] {
            assert!(permission_block("demo", "alice", &bad).is_err(), "{bad}");
        }
    }
}
