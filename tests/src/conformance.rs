//! The conformance suite of the log port: what every [`EventLog`] and [`Live`] must do.
//!
//! Each rule is one function over a [`Fixture`] of a fresh, empty log. [`conformance_suite!`](crate::conformance_suite)
//! makes one test of each, so that a failure names the rule; [`run_all`] runs them one after the other.
//! A rule knows the port only: what it needs of a log beyond the traits' contracts does not belong here.
//!
//! Random choices come from a seed that each rule prints; `COLONY_TEST_SEED` sets it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use colony_bus::log::{AppendError, EventLog, Live, ReadError};
use colony_core::SpaceName;
use futures_util::future::BoxFuture;

pub mod appending;
pub mod conditions;
pub mod fixture;
pub mod following;
pub mod live;
pub mod reading;
pub mod records;

pub use fixture::{Fixture, Random, test_seed};

/// How often a rule is tried on a log that is away.
const ATTEMPTS: usize = 3;
/// How long a rule may take before it counts as stuck.
const RULE_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes fresh logs of one implementation.
pub trait LogFactory: Send + Sync + fmt::Debug {
    /// Makes an empty log that nothing else writes to.
    fn make(&self) -> BoxFuture<'_, Result<FreshLog, FactoryError>>;
}

/// Why a log could not be made: the implementation's own error.
pub type FactoryError = Box<dyn std::error::Error + Send + Sync>;

/// An empty log and what has to outlive it.
pub struct FreshLog {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Its live messages.
    pub live: Arc<dyn Live>,
    /// The space whose subjects it stores.
    pub space: SpaceName,
    /// What is dropped after the log: a server, a directory.
    pub keep: Arc<dyn Any + Send + Sync>,
}

/// How a log broke a rule, or what kept the rule from being tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Something is not as the contract says.
    #[error("{what}: expected {expected}, got {actual}")]
    Differs {
        /// What was compared.
        what: &'static str,
        /// What the contract asks for.
        expected: String,
        /// What the log did.
        actual: String,
    },
    /// An append failed that had to succeed.
    #[error("an append failed")]
    Append(#[from] AppendError),
    /// A read failed that had to succeed.
    #[error("a read failed")]
    Read(#[from] ReadError),
    /// A task of the rule panicked.
    #[error("a task of the rule panicked")]
    Task(#[from] tokio::task::JoinError),
    /// The log could not be made.
    #[error("no fresh log could be made")]
    Factory(#[source] FactoryError),
    /// The rule did not come to an end.
    #[error("the rule took more than {seconds} s")]
    Stuck {
        /// How long it was given.
        seconds: u64,
    },
}

/// A rule that a log broke.
#[derive(Debug, thiserror::Error)]
#[error("{rule} (seed {seed})")]
pub struct Broken {
    /// Name of the rule.
    pub rule: &'static str,
    /// What its random choices came from.
    pub seed: u64,
    /// How.
    #[source]
    pub violation: Violation,
}

impl Violation {
    /// Returns whether the log was not there to be judged.
    fn is_absence(&self) -> bool {
        match self {
            Self::Append(error) => {
                matches!(error, AppendError::Unavailable | AppendError::Busy { .. })
            }
            Self::Read(error) => error.is_retryable(),
            Self::Differs { .. } | Self::Task(_) | Self::Factory(_) | Self::Stuck { .. } => false,
        }
    }
}

/// One rule of the suite.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, which says what must hold.
    pub name: &'static str,
    /// Tries it on a log that is fresh.
    pub check: fn(Fixture) -> BoxFuture<'static, Result<(), Violation>>,
}

impl Rule {
    /// Tries the rule on a fresh log; on another one if the log was away meanwhile, as three servers are while they elect.
    ///
    /// # Errors
    /// [`Broken`] if it does not hold.
    pub async fn run(&self, factory: &Arc<dyn LogFactory>) -> Result<(), Broken> {
        let seed = test_seed();
        println!("{}: COLONY_TEST_SEED={seed}", self.name);
        let broken = |violation| Broken { rule: self.name, seed, violation };
        let mut attempt = 1;
        loop {
            match self.attempt(factory, seed).await {
                Err(violation) if violation.is_absence() && attempt < ATTEMPTS => {
                    println!("attempt {attempt}: {violation:?}");
                    attempt += 1;
                }
                tried => return tried.map_err(broken),
            }
        }
    }

    async fn attempt(&self, factory: &Arc<dyn LogFactory>, seed: u64) -> Result<(), Violation> {
        let fixture = Fixture::new(Arc::clone(factory), seed).await?;
        let seconds = RULE_TIMEOUT.as_secs();
        match tokio::time::timeout(RULE_TIMEOUT, (self.check)(fixture)).await {
            Ok(checked) => checked,
            Err(_) => Err(Violation::Stuck { seconds }),
        }
    }
}

/// Tries every rule, each on a fresh log, and stops at the first that does not hold.
///
/// # Errors
/// [`Broken`].
pub async fn run_all(factory: &Arc<dyn LogFactory>) -> Result<(), Broken> {
    for rule in RULES {
        rule.run(factory).await?;
    }
    Ok(())
}

/// Names every rule, once, for a macro to do something with them.
#[doc(hidden)]
#[macro_export]
macro_rules! with_conformance_rules {
    ($with:path, $($argument:tt)*) => {
        $with! { [$($argument)*]
            appending::positions_count_from_one_and_grow,
            appending::units_one_after_the_other_stand_in_that_order,
            appending::an_ordered_unit_keeps_its_order_among_others,
            appending::an_atomic_unit_stands_together,
            appending::an_atomic_unit_may_have_the_most_records,
            appending::an_atomic_unit_of_too_many_is_refused_whole,
            appending::the_largest_record_is_stored,
            appending::a_record_too_large_is_refused_with_its_unit,
            appending::bytes_and_subjects_come_back_unchanged,
            appending::tickets_that_nobody_polls_do_not_fill_the_window,
            appending::a_dropped_ticket_does_not_take_the_unit_back,
            appending::an_append_never_polled_appends_nothing,
            conditions::a_subject_without_records_has_its_last_at_zero,
            conditions::of_two_for_one_subject_the_first_wins,
            conditions::a_subject_s_condition_ignores_other_subjects,
            conditions::a_condition_on_what_is_not_there_is_refused,
            conditions::a_lane_s_condition_sees_all_its_subjects,
            conditions::a_conflict_names_the_winner,
            conditions::one_racer_a_round_wins_a_subject,
            conditions::one_racer_a_round_wins_a_lane,
            conditions::every_record_of_a_raced_lane_follows_the_one_it_knew,
            conditions::every_atomic_unit_of_a_raced_lane_follows_the_one_it_knew,
            conditions::a_unit_whose_condition_comes_later_is_stored_when_it_has_come,
            conditions::a_unit_whose_condition_never_comes_is_never_stored,
            conditions::units_whose_conditions_have_not_come_keep_nobody_waiting,
            conditions::every_unit_sent_ahead_in_a_raced_lane_follows_the_one_it_knew,
            conditions::an_atomic_unit_may_have_conditions_on_several_scopes,
            conditions::one_lost_condition_refuses_the_whole_unit,
            reading::an_empty_log_reads_empty,
            reading::a_range_excludes_after_and_includes_until,
            reading::a_read_to_the_end_ends_at_the_tail_of_its_beginning,
            reading::filters_select_by_wildcard,
            reading::readers_at_once_read_the_same,
            reading::a_reader_that_waits_holds_a_bounded_number,
            records::get_returns_what_stands_there,
            records::last_reflects_acknowledged_appends,
            records::the_tail_reflects_acknowledged_appends,
            records::a_moment_s_cut_is_the_last_record_before_it,
            records::a_removed_record_leaves_a_hole,
            records::a_removed_position_is_not_used_again,
            records::a_log_has_an_identity_of_its_own,
            following::an_empty_log_is_caught_up_with_at_once,
            following::what_is_stored_comes_first_and_once_caught_up_what_is_new,
            following::following_begins_after_its_position,
            following::a_filtered_follower_sees_its_subjects_only,
            following::followers_among_writers_see_no_gap_and_no_double,
            following::a_follower_that_starts_over_sees_no_gap_and_no_double,
            following::a_slow_follower_loses_nothing_and_holds_back_nobody,
            live::a_live_message_reaches_who_listens,
            live::a_listener_hears_its_filter_only,
            live::a_live_message_is_not_stored,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_list {
    ([] $($module:ident :: $rule:ident,)*) => {
        /// Every rule of the suite.
        pub const RULES: &[Rule] = &[$(Rule {
            name: stringify!($rule),
            check: |fixture| Box::pin($module::$rule(fixture)),
        }),*];
    };
}

with_conformance_rules!(conformance_list,);

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ([$name:ident, $factory:expr] $($module:ident :: $rule:ident,)*) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() -> Result<(), $crate::conformance::Broken> {
                    let factory: std::sync::Arc<dyn $crate::conformance::LogFactory> =
                        std::sync::Arc::new($factory);
                    let rule = $crate::conformance::Rule {
                        name: stringify!($rule),
                        check: |fixture| {
                            Box::pin($crate::conformance::$module::$rule(fixture))
                        },
                    };
                    rule.run(&factory).await
                }
            )*
        }
    };
}

/// Makes a module of tests, one for each rule of the suite: `conformance_suite!(memory, MemoryFactory);`.
///
/// The second argument is an expression for a [`LogFactory`](crate::conformance::LogFactory), evaluated once a test.
#[macro_export]
macro_rules! conformance_suite {
    ($name:ident, $factory:expr) => {
        $crate::with_conformance_rules!($crate::conformance_tests, $name, $factory);
    };
}
