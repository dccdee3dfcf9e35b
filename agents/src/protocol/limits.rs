//! The limits of all protocols in one place. Rules, messages and docs use these constants.

use super::time::Millis;

/// How many ignored events are kept with their reasons; of older ones only the count is.
pub const MAX_IGNORED: usize = 256;
/// How many bytes their reasons may have together, told in words; of an event whose reason alone is larger, only the count is kept.
pub const MAX_IGNORED_BYTES: u64 = 256 * 1_024;

/// How long a holder by award or assignment may be silent, where the offer of the task does not say.
pub const DEFAULT_CLAIM: Millis = Millis::from_secs(60);
/// How long a holder may be silent at most, whatever it asks for, where the offer of the task does not say: no task outlives
/// its owner.
pub const LONGEST_CLAIM: Millis = Millis::from_secs(24 * 60 * 60);
/// How many agents may bid, where the terms do not say.
pub const MAX_BIDDERS: u32 = 10_000;

/// How many answers to one clarification are kept.
pub const MAX_ANSWERS: usize = 8;

/// How many refused requests of a quota are kept.
pub const MAX_REFUSALS: usize = 64;

/// How many missed ticks one decision makes at most; the next one goes on.
pub const MAX_TICKS_AT_ONCE: usize = 100;

/// On how many resources one action may be.
pub const MAX_RESOURCES: usize = 64;
/// How many intents may stand on one resource. Acts are not limited.
pub const MAX_INTENTS: usize = 256;

/// How many milestones a contract may have.
pub const MAX_MILESTONES: usize = 256;
/// Of how many records a delivery may consist.
pub const MAX_RECORDS: u32 = 10_000;

/// For how many agents one may vouch at once.
pub const MAX_VOUCHES: usize = 3;
/// How many may vouch for one agent at once.
pub const MAX_VOUCHERS: usize = 3;
/// How many deeds of an agent are kept to be shown and reversed; older ones count on, and are final.
pub const MAX_RECENT_DEEDS: usize = 64;
