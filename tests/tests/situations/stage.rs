//! Where a situation is played: on a log in memory where everything goes wrong, or on a real server.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use colony_agents::Clock;
use colony_bus::memory::{FaultPlan, FollowFaults, MemoryClock};
use colony_bus::{Bus, BusOptions, MemoryLog, MemoryOptions, Sharing};
use colony_core::{AgentName, Timestamp};
use colony_tests::harness::{One, Proxy, options, space, within};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::network::{Changes, Network};
use crate::player::{Player, Wire};
use crate::view::View;

/// How many seeds a situation is simulated with when nobody says otherwise.
const SEEDS: u64 = 12;
/// The longest that a situation may take, on a server or in the simulation's time.
const LIMIT: Duration = Duration::from_secs(600);

/// Where a situation is played. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    ground: Arc<Ground>,
    /// How many joined so far.
    joined: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Ground {
    Memory {
        log: MemoryLog,
        changes: Changes,
        chance: Chance,
        now: fn(Instant) -> Timestamp,
        began: Instant,
    },
    Server(Box<One>),
}

/// Plays a situation in simulation: on a clock that moves when all wait, with answers lost, units delayed and doubled, and
/// records delivered twice. `COLONY_TEST_SEED=n` repeats one run, `COLONY_SEEDS=n` asks for another number of them.
pub(crate) fn simulated<F: Future<Output = ()>>(name: &str, play: impl Fn(Stage) -> F) {
    let number = |variable: &str| -> Option<u64> {
        std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
    };
    let seeds = match number("COLONY_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("COLONY_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("{name}: COLONY_TEST_SEED={seed}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let played = tokio::time::timeout(LIMIT, play(Stage::in_memory(seed))).await;
            played.expect("the situation comes to its end");
        });
    }
}

/// Plays a situation on a server of its own.
pub(crate) async fn served<F: Future<Output = ()>>(name: &str, play: impl Fn(Stage) -> F) {
    let one = One::start().await;
    within(LIMIT, name, play(Stage::on(Ground::Server(Box::new(one))))).await;
}

/// Makes the two tests of a situation.
macro_rules! played {
    ($play:ident) => {
        #[test]
        fn in_simulation() {
            $crate::stage::simulated(module_path!(), $play);
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn on_a_real_server() {
            $crate::stage::served(module_path!(), $play).await;
        }
    };
}
pub(crate) use played;

/// The simulation begins at noon; half a second past, so that no schedule is due at once.
fn simulated_time(began: Instant) -> Timestamp {
    let start: Timestamp = "2026-01-01T12:00:00.5Z".parse().unwrap();
    let passed = i64::try_from(began.elapsed().as_nanos()).unwrap();
    Timestamp::from_nanos(start.as_nanos() + passed)
}

impl Stage {
    fn in_memory(seed: u64) -> Self {
        let began = Instant::now();
        let chance = Chance::new(seed);
        let odds = |most: u64| u16::try_from(chance.below(most)).unwrap();
        let faults = FaultPlan {
            seed,
            lost_acks_per_mille: odds(150),
            lost_sends_per_mille: odds(150),
            delays_per_mille: odds(150),
            duplicates_per_mille: odds(80),
            max_delay_appends: 4,
            ..FaultPlan::default()
        };
        let follow_faults =
            FollowFaults { seed, redeliveries_per_mille: odds(100), reorders_per_mille: 0 };
        let log = MemoryLog::with_options(MemoryOptions {
            faults,
            clock: MemoryClock::function(move || simulated_time(began)),
            ..MemoryOptions::new("situation")
        });
        let changes = Changes::new(follow_faults);
        Self::on(Ground::Memory { log, changes, chance, now: simulated_time, began })
    }

    fn on(ground: Ground) -> Self {
        Self { ground: Arc::new(ground), joined: Arc::default() }
    }

    /// Returns the time of this stage.
    pub(crate) fn now(&self) -> Timestamp {
        match &*self.ground {
            Ground::Memory { now, began, .. } => now(*began),
            Ground::Server(_) => std::time::SystemTime::now().into(),
        }
    }

    /// Returns the clock of this stage.
    pub(crate) fn clock(&self) -> Clock {
        let stage = self.clone();
        Clock::function(move || stage.now())
    }

    /// Returns a moment so many milliseconds ahead, as payloads write it.
    pub(crate) fn ahead(&self, milliseconds: i64) -> String {
        let now = self.now().as_nanos();
        Timestamp::from_nanos(now + milliseconds * 1_000_000).to_string()
    }

    /// Lets time pass in which nobody has to get anything done.
    pub(crate) async fn pass(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    /// Returns the address of the server, where there is one.
    pub(crate) fn url(&self) -> Option<String> {
        match &*self.ground {
            Ground::Memory { .. } => None,
            Ground::Server(one) => Some(one.url()),
        }
    }

    /// Lets an agent join.
    pub(crate) async fn join(&self, name: &str) -> Player {
        self.join_as(self.own_lane(name)).await
    }

    /// Returns what an agent joins with to write a lane that nobody wrote before: what was said by an earlier process may
    /// still be on its way.
    fn own_lane(&self, name: &str) -> BusOptions {
        let number = self.joined.fetch_add(1, Ordering::Relaxed);
        BusOptions {
            instance: Some(format!("joined-{number}").parse().unwrap()),
            sharing: Some(Sharing::Private),
            ..self.options(name)
        }
    }

    /// Lets several agents join.
    pub(crate) async fn join_all(&self, names: &[&str]) -> Vec<Player> {
        let mut players = Vec::new();
        for name in names {
            players.push(self.join(name).await);
        }
        players
    }

    /// Lets an agent join over a wire that can be cut, also on a server.
    pub(crate) async fn join_wired(&self, name: &str) -> Player {
        let Some(url) = self.url() else { return self.join(name).await };
        let proxy = Proxy::before(&url).await;
        let mut joining = self.own_lane(name);
        joining.server.url = proxy.url();
        let bus = Bus::connect(joining).await.unwrap();
        Player { bus, wire: Wire::Proxy(proxy), stage: self.clone() }
    }

    /// Returns what an agent joins with.
    pub(crate) fn options(&self, name: &str) -> BusOptions {
        match self.url() {
            Some(url) => options(name, &url),
            None => BusOptions::new(space(), name.parse::<AgentName>().unwrap()),
        }
    }

    /// Lets an agent join with options of its own.
    pub(crate) async fn join_as(&self, options: BusOptions) -> Player {
        let (bus, wire) = match &*self.ground {
            Ground::Memory { log, changes, chance, .. } => {
                let network = Network::new(log.clone(), chance.clone(), 20, changes.clone());
                let (there, live) = (Arc::new(network.clone()), Arc::new(network.clone()));
                (Bus::on(there, live, options), Wire::Network(network))
            }
            Ground::Server(_) => (Bus::connect(options).await.unwrap(), Wire::Direct),
        };
        Player { bus, wire, stage: self.clone() }
    }

    /// Returns what everybody agrees on, once nothing is on its way any more.
    ///
    /// Requires that two readers, and one that goes on from a checkpoint at any of some cuts, have equal states.
    pub(crate) async fn agreed(&self) -> View {
        if let Ground::Memory { log, changes, .. } = &*self.ground {
            log.settle();
            changes.wake();
        }
        let one = self.join("reader").await.look().await;
        let other = self.join("latecomer").await.look().await;
        // Where somebody still works, the one that comes later sees more.
        let common = View::of(other.entries[..one.entries.len()].to_vec());
        assert!(one.space == common.space, "two readers disagree up to the same position");
        one.agrees_from_any_checkpoint();
        one
    }
}
