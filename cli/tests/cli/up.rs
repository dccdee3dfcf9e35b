//! `colony up`: a server that ends with its command.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::process::Child;

use colony_server::{Finder, Release, Silent};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::run::Colony;

fn ready(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| {
        let mut stderr = String::new();
        child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
        panic!("{error}: {line:?} {stderr}");
    })
}

fn pid(number: u64) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

fn end(mut child: Child, ready: &Value, signal: Signal) {
    kill_process(pid(u64::from(child.id())), signal).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for server in ready["pids"].as_array().unwrap() {
        assert!(test_kill_process(pid(server.as_u64().unwrap())).is_err(), "{server} is left");
    }
}

#[test]
fn a_server_ends_with_its_command_and_keeps_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("data");
    let up = || Colony::new(&["up", "--port", "0", "--json"]).arg(&store);
    let mut first = up().spawn();
    let told = ready(&mut first);
    assert_eq!(told["ready"], true);
    assert!(told["acknowledgement"].as_str().unwrap().len() > 20, "{told}");
    let url = told["url"].as_str().unwrap();
    let published = Colony::new(&["publish", "hello.said", "--server", url]).json();
    assert_eq!(published[0]["position"], 1);
    // The monitoring pages are where clients look for them.
    let status = Colony::new(&["status", "--server", url]).json();
    assert_eq!((&status[0]["sync"], &told["sync"]), (&"default".into(), &"default".into()));
    end(first, &told, Signal::INT);

    let mut second = up().arg("--sync").arg("always").spawn();
    let told = ready(&mut second);
    assert_eq!(told["sync"], "always");
    let log = Colony::new(&["log", "--server", told["url"].as_str().unwrap()]).json();
    assert_eq!(log.len(), 1);
    end(second, &told, Signal::TERM);
}

#[test]
fn three_servers_are_one_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let mut up =
        Colony::new(&["up", "--port", "0", "--cluster", "3", "--json"]).arg(dir.path()).spawn();
    let told = ready(&mut up);
    assert_eq!((told["pids"].as_array().unwrap().len(), &told["replicas"]), (3, &3.into()));
    Colony::new(&["publish", "hello.said", "--server", told["url"].as_str().unwrap()]).json();
    end(up, &told, Signal::INT);
}

#[test]
fn a_taken_port_or_directory_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = Colony::new(&["up", "--port", &port]).arg(dir.path()).error(4);
    assert!(error["message"].as_str().unwrap().contains("in use"), "{error}");

    let mut up = Colony::new(&["up", "--port", "0", "--json"]).arg(dir.path()).spawn();
    let told = ready(&mut up);
    let error = Colony::new(&["up", "--port", "0"]).arg(dir.path()).error(4);
    assert!(error["message"].as_str().unwrap().contains("another server uses"), "{error}");
    let address = told["url"].as_str().unwrap().trim_start_matches("nats://");
    TcpStream::connect(address).unwrap();
    end(up, &told, Signal::INT);
}

#[test]
fn a_program_that_is_no_server_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = |program: &str| {
        Colony::new(&["up", "--port", "0", "--nats-server", program]).arg(dir.path()).error(4)
    };
    assert!(
        run("/nonexistent/nats-server")["message"].as_str().unwrap().contains("cannot be used")
    );
    run("/bin/true");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_by_its_path() {
    let old = Finder::from_env().fetch_version(Release::TOO_OLD, &Silent).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("data");
    let up = Colony::new(&["up", "--port", "0", "--nats-server"]).arg(old.path()).arg(&store);
    let error = up.error(4);
    let told = format!("{} {}", error["message"], error["causes"]);
    assert!(told.contains("2.11.0") && told.contains("2.12.0"), "{told}");
    assert!(!store.join("jetstream").exists(), "nothing was started");
}
