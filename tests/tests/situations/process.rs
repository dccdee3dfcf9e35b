//! Something that runs by itself and can be hurt: a task in simulation, a process of the operating system beside a real server.

use std::process::Stdio;

use colony_agents::Clock;
use colony_bus::{Bus, BusOptions, Sharing};
use colony_tests::harness::{Proxy, options};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::player::Wire;
use crate::role::Role;
use crate::stage::Stage;

/// Tells a process that it is one: its role, agent, instance and address.
const VARIABLE: &str = "COLONY_SITUATION";

/// Something that runs by itself. Dropped, it ends as if it were killed.
#[derive(Debug)]
pub(crate) struct Process {
    body: Body,
    wire: Wire,
}

#[derive(Debug)]
enum Body {
    Task(JoinHandle<()>),
    Child(Child),
}

impl Stage {
    /// Starts an instance of an agent in a role.
    pub(crate) async fn start(&self, role: Role, agent: &str, instance: &str) -> Process {
        let Some(url) = self.url() else {
            let options = named(self.options(agent), role, instance);
            let player = self.join_as(options).await;
            let task = tokio::spawn(role.play(player.bus, self.clock()));
            return Process { body: Body::Task(task), wire: player.wire };
        };
        let proxy = Proxy::before(&url).await;
        // The process is this very program, which is told to run nothing but the role.
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::plays_the_role_that_it_is_told", "--nocapture"])
            .env(VARIABLE, format!("{} {agent} {instance} {}", role.name(), proxy.url()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Process { body: Body::Child(child), wire: Wire::Proxy(proxy) }
    }
}

fn named(options: BusOptions, role: Role, instance: &str) -> BusOptions {
    // Where several believe to be the same instance, the lane is theirs in common; else it is this one's own.
    let sharing = if role.is_cloned() { Sharing::Contended } else { Sharing::Private };
    BusOptions { instance: Some(instance.parse().unwrap()), sharing: Some(sharing), ..options }
}

impl Process {
    /// Kills it, wherever it stands: with SIGKILL where it is a process.
    pub(crate) async fn kill(mut self) {
        match &mut self.body {
            Body::Task(task) => task.abort(),
            Body::Child(child) => child.kill().await.unwrap(),
        }
    }

    /// Lets its time stand still: with SIGSTOP where it is a process.
    pub(crate) fn pause(&self) {
        match &self.body {
            Body::Task(_) => self.wire.stall(),
            Body::Child(child) => signal(child, Signal::STOP),
        }
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        match &self.body {
            Body::Task(_) => self.wire.heal(),
            Body::Child(child) => signal(child, Signal::CONT),
        }
    }

    /// Lets nothing through between it and the log.
    pub(crate) fn part(&self) {
        self.wire.stall();
    }

    /// Lets everything through again.
    pub(crate) fn rejoin(&self) {
        self.wire.heal();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Body::Task(task) = &self.body {
            task.abort();
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
    kill_process(pid.expect("it runs"), signal).unwrap();
}

/// Not a test, unless a situation says so: the process that [`Stage::start`] starts.
#[tokio::test(flavor = "multi_thread")]
async fn plays_the_role_that_it_is_told() {
    let Ok(told) = std::env::var(VARIABLE) else { return };
    let told: Vec<&str> = told.split(' ').collect();
    let [role, agent, instance, url] = told.as_slice() else { panic!("{told:?}") };
    let role = Role::of(role);
    let bus = Bus::connect(named(options(agent, url), role, instance)).await.unwrap();
    let parent = async {
        let (mut input, mut nothing) = (tokio::io::stdin(), [0; 1]);
        input.read(&mut nothing).await
    };
    tokio::select! {
        () = role.play(bus, Clock::default()) => {}
        // The one that started it is gone.
        _ = parent => std::process::exit(0),
    }
}
