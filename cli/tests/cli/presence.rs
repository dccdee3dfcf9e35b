//! Who is here, as another process sees it.

use std::process::Child;
use std::time::{Duration, Instant};

use colony_bus::presence::EXPIRY;

use crate::run::Lab;

fn is_here(lab: &Lab, agent: &str) -> bool {
    let status = lab.one(&["status", "--quick"]);
    status["agents"].as_array().unwrap().iter().any(|member| member["agent"] == agent)
}

fn bob(lab: &Lab) -> Child {
    let bob = lab.colony(&["tail", "--agent", "bob"]).spawn();
    while !is_here(lab, "bob") {}
    bob
}

#[tokio::test]
async fn a_process_that_is_killed_is_gone_within_its_expiry() {
    let lab = Lab::new().await;
    let mut killed = bob(&lab);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let begin = Instant::now();
    while is_here(&lab, "bob") {
        assert!(begin.elapsed() < EXPIRY + Duration::from_secs(30), "it is still shown");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_that_ends_is_gone_at_once() {
    use rustix::process::{Pid, Signal, kill_process};
    let lab = Lab::new().await;
    let mut ended = bob(&lab);
    kill_process(Pid::from_raw(ended.id() as i32).unwrap(), Signal::INT).unwrap();
    ended.wait().unwrap();
    assert!(!is_here(&lab, "bob"));
}
