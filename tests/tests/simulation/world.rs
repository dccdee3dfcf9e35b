//! One run: events come, instances come, stop, pause and die, and in the end one of them finishes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use colony_agents::reactor::Limits;
use colony_agents::{Instance, InstanceOptions, Preference, Retry};
use colony_bus::memory::{FaultPlan, FollowFaults};
use colony_bus::{Bus, BusOptions, Draft, MemoryLog, MemoryOptions};
use colony_core::{EntityName, Position, Timestamp};

use crate::actor::{Actor, Input, Outside, Stateless};
use crate::chance::Chance;
use crate::check::{Story, check};
use crate::network::{Changes, Network};

/// Everything that makes a run.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) inputs: u64,
    pub(crate) poison: bool,
    /// Whether the agent has no state, so that an instance that stands by need not listen.
    pub(crate) stateless: bool,
    /// Whether each input asks for everything.
    everything: bool,
    faults: FaultPlan,
    follow_faults: FollowFaults,
    /// Most instances at a time, and how many times something happens to one of them.
    instances: u64,
    happenings: u64,
    delay: u64,
    trouble: u64,
    options: InstanceOptions,
}

impl Scenario {
    /// Draws a run of every kind of trouble.
    pub(crate) fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let odds = |most: u64| u16::try_from(chance.below(most)).unwrap();
        let faults = FaultPlan {
            seed,
            lost_acks_per_mille: odds(120),
            lost_sends_per_mille: odds(120),
            delays_per_mille: odds(120),
            duplicates_per_mille: odds(60),
            disconnects_per_mille: odds(40),
            max_delay_appends: 6,
            ..FaultPlan::default()
        };
        let follow_faults =
            FollowFaults { seed, redeliveries_per_mille: odds(100), reorders_per_mille: 0 };
        let preference = match chance.below(2) {
            0 => Preference::Everyone,
            _ => Preference::Rendezvous,
        };
        let limits = Limits {
            unit_entries: usize::try_from(5 + chance.below(8)).unwrap(),
            waiting_entries: usize::try_from(4 + chance.below(20)).unwrap(),
            lane_entries: 4 + chance.below(30),
        };
        let options = InstanceOptions {
            partitions: u16::try_from(1 + chance.below(3)).unwrap(),
            preference,
            limits,
            handler_timeout: Duration::from_secs(2),
            stall: Duration::from_secs(20),
            standby_events: usize::try_from(1 + seed % 5).unwrap(),
            retry: Retry { attempts: 5, ..Retry::default() },
            ..InstanceOptions::default()
        };
        Self {
            seed,
            inputs: 10 + chance.below(20),
            poison: chance.per_mille(300),
            stateless: seed % 3 == 2,
            everything: false,
            faults,
            follow_faults,
            instances: 1 + chance.below(3),
            happenings: chance.below(8),
            delay: 1 + chance.below(60),
            trouble: chance.below(200),
            options,
        }
    }

    /// Two events that ask for everything, for one instance after another.
    pub(crate) fn thorough() -> Self {
        let options = InstanceOptions { partitions: 1, ..InstanceOptions::default() };
        let limits = Limits { lane_entries: 8, ..Limits::default() };
        let options = InstanceOptions { limits, ..options };
        Self { inputs: 2, everything: true, poison: false, options, ..Self::faultless(1) }
    }

    /// The same events for a single instance to which nothing happens.
    pub(crate) fn faultless(seed: u64) -> Self {
        Self {
            faults: FaultPlan::default(),
            follow_faults: FollowFaults::default(),
            instances: 1,
            happenings: 0,
            delay: 0,
            trouble: 0,
            ..Self::new(seed)
        }
    }
}

/// Runs a scenario, checks what came of it, and returns what the log holds.
pub(crate) fn run(scenario: &Scenario) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = World::new(scenario.clone());
    runtime.block_on(async {
        let limit = Duration::from_secs(3_600);
        let story = tokio::time::timeout(limit, world.play()).await;
        check(scenario, &story.expect("in an hour everything is reacted to")).await
    })
}

/// Kills an instance at one of its steps to or from the log, lets another one finish, and checks what came of it. Returns
/// whether the instance came to that step.
pub(crate) fn run_killed_at(step: u64) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let scenario = Scenario::thorough();
    let world = World::new(scenario.clone());
    runtime.block_on(async {
        let last = world.publish().await;
        let (bus, network) = world.bus_on("actor", "victim", |network| network.dies_at(step));
        let victim = async {
            let instance = world.begin(bus).await;
            instance.reacted_to(last).await;
        };
        let died = tokio::select! {
            biased;
            () = network.died() => true,
            () = victim => false,
        };
        let running = world.start().await;
        running.instance.reacted_to(last).await;
        drop(running);
        let outside = world.outside.lock().unwrap().clone();
        let asked: Vec<usize> = outside.values().map(Vec::len).collect();
        assert!(asked.iter().all(|times| *times <= 2), "asked outside {asked:?} times");
        let story = Story { log: world.log.clone(), outside };
        check(&scenario, &story).await;
        died
    })
}

struct World {
    scenario: Scenario,
    chance: Chance,
    log: MemoryLog,
    changes: Changes,
    outside: Outside,
    started: Mutex<u64>,
}

/// An instance and its way to the log.
struct Running {
    instance: Instance,
    network: Network,
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let log = MemoryLog::with_options(MemoryOptions {
            faults: scenario.faults,
            ..MemoryOptions::new("simulation")
        });
        let chance = Chance::new(scenario.seed.wrapping_mul(31).wrapping_add(7));
        let changes = Changes::new(scenario.follow_faults);
        Self { scenario, chance, log, changes, outside: Outside::default(), started: Mutex::new(0) }
    }

    fn bus(&self, agent: &str, instance: &str) -> (Bus, Network) {
        self.bus_on(agent, instance, |network| network)
    }

    fn bus_on(
        &self,
        agent: &str,
        instance: &str,
        with: impl FnOnce(Network) -> Network,
    ) -> (Bus, Network) {
        let (log, chance) = (self.log.clone(), self.chance.clone());
        let network = Network::new(log, chance, self.scenario.delay, self.changes.clone());
        let network = with(network);
        let mut options = BusOptions::new("lab".parse().unwrap(), agent.parse().unwrap());
        options.instance = Some(instance.parse().unwrap());
        options.sharing = Some(colony_bus::Sharing::Private);
        let bus = Bus::on(Arc::new(network.clone()), Arc::new(network.clone()), options);
        (bus, network)
    }

    async fn start(&self) -> Running {
        let name = {
            let mut started = self.started.lock().unwrap();
            *started += 1;
            format!("i{started}")
        };
        let (bus, network) = self.bus("actor", &name);
        Running { instance: self.begin(bus).await, network }
    }

    async fn begin(&self, bus: Bus) -> Instance {
        let actor = Actor {
            chance: self.chance.clone(),
            outside: Arc::clone(&self.outside),
            trouble: self.scenario.trouble,
            troubled: Mutex::default(),
        };
        let options = self.scenario.options.clone();
        match self.scenario.stateless {
            true => Instance::start(bus, Stateless(actor), options).await.unwrap(),
            false => Instance::start(bus, actor, options).await.unwrap(),
        }
    }

    /// Mends the connection whenever it has been broken for a while.
    async fn mend(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(20 + self.chance.below(500))).await;
            self.log.reconnect();
            self.changes.wake();
        }
    }

    async fn play(self) -> Story {
        let last = tokio::select! {
            biased;
            (last, ()) = async { tokio::join!(self.publish(), self.happen()) } => last,
            () = self.mend() => unreachable!("it mends for ever"),
        };
        // Whatever has happened, one instance that is left alone finishes.
        let mut running = tokio::select! {
            biased;
            running = self.start() => running,
            () = self.mend() => unreachable!("it mends for ever"),
        };
        tokio::select! {
            biased;
            () = running.instance.reacted_to(last) => {}
            () = self.mend() => unreachable!("it mends for ever"),
        }
        if running.instance.status().iter().any(|lane| lane.through < last) {
            panic!("{}", running.instance.failed().await);
        }
        drop(running);
        self.log.settle();
        self.log.reconnect();
        let outside = self.outside.lock().unwrap().clone();
        Story { log: self.log.clone(), outside }
    }

    /// Publishes the inputs, with pauses. Returns where the last one stands.
    async fn publish(&self) -> Position {
        let (bus, _) = self.bus("producer", "p");
        let mut last = Position::ZERO;
        let start = Timestamp::from_nanos(0);
        for number in 0..self.scenario.inputs {
            let input = Input {
                number,
                outputs: if self.scenario.everything { 2 } else { self.chance.below(4) },
                effect: self.scenario.everything || self.chance.per_mille(300),
                edit: self.scenario.everything || self.chance.per_mille(300),
                poison: self.scenario.poison && self.chance.per_mille(80),
            };
            let draft = Draft::new("input.came".parse().unwrap()).json(&input).unwrap();
            let draft = draft.id(format!("in-{number}").parse().unwrap()).happened(start.into());
            let draft = match self.chance.below(5) {
                0 => draft,
                entity => draft.about(entity_name(entity)),
            };
            let receipt = bus.publish(draft).await.unwrap().await.unwrap();
            last = receipt.position;
            if self.chance.per_mille(500) {
                tokio::time::sleep(Duration::from_millis(self.chance.below(400))).await;
            }
        }
        last
    }

    /// Starts instances, and lets things happen to them.
    async fn happen(&self) {
        let mut running: BTreeMap<u64, Running> = BTreeMap::new();
        let mut next = 0;
        for _ in 0..self.scenario.happenings {
            while (running.len() as u64) < self.scenario.instances {
                if running.is_empty() || self.chance.per_mille(700) {
                    running.insert(next, self.start().await);
                    next += 1;
                } else {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(self.chance.below(2_000))).await;
            let index = usize::try_from(self.chance.below(running.len() as u64)).unwrap();
            let who = *running.keys().nth(index).unwrap();
            match self.chance.below(4) {
                // Killed, wherever it stands.
                0 => drop(running.remove(&who)),
                // Stopped; what it cannot store in time it leaves to the others.
                1 => drop(running.remove(&who).unwrap().instance.stop().await),
                // Paused for longer than every time-out.
                2 => {
                    let network = running[&who].network.clone();
                    let long = Duration::from_millis(self.chance.below(30_000));
                    network.stall();
                    tokio::time::sleep(long).await;
                    network.heal();
                }
                // Its time stands still between two steps.
                _ => self.chance.pause(500).await,
            }
        }
    }
}

fn entity_name(number: u64) -> EntityName {
    format!("e{number}").parse().unwrap()
}
