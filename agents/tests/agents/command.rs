//! Agents whose handler is a command, on a log in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use colony_agents::command::{CommandAgent, CommandOptions, Purpose, RecordedEffects};
use colony_agents::reactor::ParkReason;
use colony_agents::{
    Instance, InstanceOptions, Interest, ParkedEvents, Preference, Retry, VerifyRange, verify,
};
use colony_bus::{Bus, BusOptions, Draft, MemoryLog, Query};
use colony_core::{Filter, Position};
use futures_util::TryStreamExt as _;

/// Takes the position out of a line.
const POSITION: &str =
    r#"position=$(printf '%s\n' "$line" | sed -n 's/^{"colony":1,"position":\([0-9]*\),.*/\1/p')"#;

struct Lab {
    log: MemoryLog,
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Self { log: MemoryLog::new("commands"), dir: tempfile::tempdir().unwrap() }
    }

    fn bus(&self, agent: &str) -> Bus {
        let options = BusOptions::new("lab".parse().unwrap(), agent.parse().unwrap());
        Bus::on(Arc::new(self.log.clone()), Arc::new(self.log.clone()), options)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes an agent of what a shell does with each line.
    fn agent(&self, purpose: Purpose, each: &str) -> CommandAgent {
        let script = format!("while IFS= read -r line; do\n{POSITION}\n{each}\ndone\n");
        let path = self.file(&format!("{}.sh", self.bus("namer").new_id()));
        std::fs::write(&path, script).unwrap();
        command(&[path.to_str().unwrap(), self.dir.path().to_str().unwrap()], purpose)
    }

    async fn come(&self, name: &str) -> Position {
        let draft = Draft::new("visitor.came".parse().unwrap()).about(name.parse().unwrap());
        self.bus("door").publish(draft).await.unwrap().await.unwrap().position
    }

    async fn greetings(&self) -> Vec<String> {
        let filter =
            Filter { types: ["visitor.greeted".parse().unwrap()].into(), ..Filter::events() };
        let query = Query { filter, ..Query::default() };
        let entries: Vec<_> =
            self.bus("reader").read(query).await.unwrap().try_collect().await.unwrap();
        entries.iter().map(|entry| entry.event().data.to_value().unwrap()).collect()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn command(arguments: &[&str], purpose: Purpose) -> CommandAgent {
    CommandAgent::start(CommandOptions {
        program: "sh".into(),
        arguments: arguments.iter().map(Into::into).collect(),
        interest: Interest::in_types(["visitor.came".parse().unwrap()]),
        schedules: Vec::new(),
        purpose,
    })
    .unwrap()
}

fn options() -> InstanceOptions {
    let retry = Retry { attempts: 3, pause: Duration::from_millis(10), ..Retry::default() };
    InstanceOptions { retry, ..InstanceOptions::default() }
}

/// Runs an agent up to an event, and returns what it has set aside.
async fn run(
    lab: &Lab,
    agent: &CommandAgent,
    options: InstanceOptions,
    last: Position,
) -> Vec<ParkReason> {
    let instance = Instance::start(lab.bus("greeter"), agent.clone(), options).await.unwrap();
    instance.reacted_to(last).await;
    instance.stop().await.unwrap();
    let parked = ParkedEvents::of(lab.bus("greeter")).list().await.unwrap();
    parked.into_iter().map(|parked| parked.reason).collect()
}

#[tokio::test]
async fn what_two_processes_of_a_command_say_is_stored_once() {
    let lab = Lab::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/command/greeter.sh");
    let everyone = InstanceOptions { preference: Preference::Everyone, ..options() };
    let mut instances = Vec::new();
    for _ in 0..2 {
        let agent = command(&[script.to_str().unwrap()], Purpose::Work);
        let bus = lab.bus("greeter");
        instances
            .push((Instance::start(bus, agent.clone(), everyone.clone()).await.unwrap(), agent));
    }
    let mut last = Position::ZERO;
    for visitor in 0..20 {
        last = lab.come(&visitor.to_string()).await;
    }
    for (instance, agent) in instances {
        instance.reacted_to(last).await;
        instance.stop().await.unwrap();
        agent.close().await;
    }
    let expected: Vec<String> = (0..20).map(|visitor| format!("Welcome, {visitor}!")).collect();
    assert_eq!(lab.greetings().await, expected);
}

#[tokio::test]
async fn a_command_that_ends_after_each_event_is_started_again() {
    let lab = Lab::new();
    let each = r#"printf '{"emit":{"type":"visitor.greeted","data":"%s"}}\n{"done":%s}\n' $$ $position; exit"#;
    let agent = lab.agent(Purpose::Work, each);
    lab.come("a").await;
    lab.come("b").await;
    let last = lab.come("c").await;
    assert_eq!(run(&lab, &agent, options(), last).await, []);
    let mut greetings = lab.greetings().await;
    greetings.dedup();
    assert_eq!(greetings.len(), 3, "by three processes");
}

#[tokio::test]
async fn what_makes_no_sense_is_a_failed_attempt_and_is_quoted() {
    for (each, quoted) in [
        ("echo hello there", "hello there"),
        (r#"echo '{"done":7000}'"#, "7000"),
        ("exit 3", "exit status: 3"),
        (r#"echo '{"emit":{"type":"visitor.greeted","source":"ben"}}'"#, "ben"),
        (r#"echo '{"record":{"name":"x","result":1}}'"#, "without having asked"),
        (r#"echo '{"error":{"message":"not today"}}'"#, "not today"),
        (r#"yes '{"emit":{"type":"visitor.greeted"}}'"#, "more than 1024 events"),
        ("tr '\\0' x < /dev/zero", "more than 16777216 bytes"),
    ] {
        let lab = Lab::new();
        let each = format!("echo came >> $1/attempts\n{each}");
        let agent = lab.agent(Purpose::Work, &each);
        let last = lab.come("a").await;
        let parked = run(&lab, &agent, options(), last).await;
        assert!(
            matches!(parked.as_slice(), [ParkReason::Failed { message }] if message.contains(quoted)),
            "{each}: {parked:?}"
        );
        assert_eq!((lab.lines("attempts").len(), lab.greetings().await.len()), (3, 0), "{each}");
    }
}

#[tokio::test]
async fn a_lasting_error_is_not_tried_again_and_the_same_process_goes_on() {
    let lab = Lab::new();
    let each = r#"echo $$ >> $1/pids
        case "$line" in
          *'"subject":"a"'*) echo '{"error":{"message":"never","lasting":true}}';;
          *) echo "{\"done\":$position}";;
        esac"#;
    let agent = lab.agent(Purpose::Work, each);
    lab.come("a").await;
    let last = lab.come("b").await;
    assert_eq!(run(&lab, &agent, options(), last).await.len(), 1);
    let pids = lab.lines("pids");
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pids:?}");
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_what_it_has_started() {
    let lab = Lab::new();
    let each = "sleep 1000 & echo $! >> $1/pids; echo $$ >> $1/pids; wait";
    let agent = lab.agent(Purpose::Work, each);
    let last = lab.come("a").await;
    let hurried = InstanceOptions {
        handler_timeout: Duration::from_millis(500),
        retry: Retry { attempts: 1, ..Retry::default() },
        ..options()
    };
    let parked = run(&lab, &agent, hurried, last).await;
    assert!(matches!(parked.as_slice(), [ParkReason::TimedOut { .. }]), "{parked:?}");
    for pid in lab.lines("pids") {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        // Whoever was killed is there until somebody has noticed.
        while rustix::process::test_kill_process(pid).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Asks for an effect, which writes a line; dies after it was recorded, the first time.
const ASKING: &str = r#"
    echo '{"ask":{"name":"price"}}'; IFS= read -r reply
    case "$reply" in
      '{"run":'*) echo ran >> $1/ran; echo '{"record":{"name":"price","result":"seven"}}'; IFS= read -r reply; exit;;
    esac
    result=$(printf '%s\n' "$reply" | sed 's/.*"result":\("[^"]*"\).*/\1/')
    printf '{"emit":{"type":"visitor.greeted","data":%s}}\n{"done":%s}\n' "$result" $position"#;

#[tokio::test]
async fn an_effect_that_is_recorded_is_not_run_again() {
    let lab = Lab::new();
    let agent = lab.agent(Purpose::Work, ASKING);
    let last = lab.come("a").await;
    assert_eq!(run(&lab, &agent, options(), last).await, []);
    assert_eq!((lab.lines("ran").len(), lab.greetings().await), (1, vec!["seven".to_owned()]));

    // Neither does a replay, with the record and without.
    let stored = lab.log.clone();
    let replayed = lab.agent(Purpose::Replay(RecordedEffects::default()), ASKING);
    let verified = verify(&lab.bus("greeter"), replayed, VerifyRange::default()).await.unwrap();
    assert_eq!((verified.reactions, verified.outputs, verified.difference), (1, 1, None));
    let other = ASKING.replace("price", "weather");
    let replayed = lab.agent(Purpose::Replay(RecordedEffects::default()), &other);
    let verified = verify(&lab.bus("greeter"), replayed, VerifyRange::default()).await.unwrap();
    assert!(verified.difference.unwrap().failed.is_some());
    assert_eq!(lab.lines("ran").len(), 1);
    assert_eq!(
        Bus::tail(&lab.bus("reader")).await.unwrap(),
        colony_bus::log::EventLog::tail(&stored).await.unwrap()
    );
}

#[tokio::test]
async fn a_command_that_says_something_else_now_is_found_out() {
    let lab = Lab::new();
    let saying = |word: &str| {
        format!(
            r#"printf '{{"emit":{{"type":"visitor.greeted","data":"{word}"}}}}\n{{"done":%s}}\n' $position"#
        )
    };
    let agent = lab.agent(Purpose::Work, &saying("welcome"));
    let first = lab.come("a").await;
    let last = lab.come("b").await;
    assert_eq!(run(&lab, &agent, options(), last).await, []);
    let again = lab.agent(Purpose::Replay(RecordedEffects::default()), &saying("welcome"));
    let verified = verify(&lab.bus("greeter"), again, VerifyRange::default()).await.unwrap();
    assert_eq!((verified.outputs, verified.difference), (2, None));
    let changed = lab.agent(Purpose::Replay(RecordedEffects::default()), &saying("go away"));
    let verified = verify(&lab.bus("greeter"), changed, VerifyRange::default()).await.unwrap();
    let difference = verified.difference.unwrap();
    assert_eq!((difference.event, difference.index), (first, 0));
    assert!(difference.recorded.is_some() && difference.made.is_some());
}

#[tokio::test]
async fn edits_of_documents_are_stored_with_what_is_said() {
    let lab = Lab::new();
    let each = r#"
        echo '{"edit":{"document":"book","operations":[{"op":"increment","path":"/visitors","by":1},{"op":"text","path":"/last","text":"somebody"}]}}'
        echo '{"read":{"document":"book"}}'; IFS= read -r reply
        printf '{"emit":{"type":"visitor.greeted","data":"%s"}}\n{"done":%s}\n' "$(printf '%s' "$reply" | sed 's/.*"visitors":\([0-9]*\).*/\1/')" $position"#;
    let agent = lab.agent(Purpose::Work, each);
    lab.come("a").await;
    let last = lab.come("b").await;
    assert_eq!(run(&lab, &agent, options(), last).await, []);
    assert_eq!(lab.greetings().await, ["1", "2"]);
    let moment = colony_bus::Moment::Cut(colony_bus::Cut::Position(Position::MAX));
    let book = lab.bus("reader").document_at(&"book".parse().unwrap(), moment).await.unwrap();
    let json = book.view().unwrap().to_json().unwrap();
    assert_eq!(json, serde_json::json!({ "visitors": 2, "last": "somebody" }));
    let again = lab.agent(Purpose::Replay(RecordedEffects::default()), each);
    let verified = verify(&lab.bus("greeter"), again, VerifyRange::default()).await.unwrap();
    assert_eq!((verified.reactions, verified.difference), (2, None));

    // What does not fit changes nothing.
    let wrong =
        r#"echo '{"edit":{"document":"book","operations":[{"op":"remove","path":"/nothing"}]}}'"#;
    let wrong = lab.agent(Purpose::Work, wrong);
    let last = lab.come("c").await;
    let parked = run(&lab, &wrong, options(), last).await;
    assert!(
        matches!(parked.as_slice(), [ParkReason::Failed { message }] if message.contains("operation 0")),
        "{parked:?}"
    );
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told_at_once() {
    let options = CommandOptions {
        program: "./no-such-command".into(),
        arguments: Vec::new(),
        interest: Interest::default(),
        schedules: Vec::new(),
        purpose: Purpose::Work,
    };
    assert!(CommandAgent::start(options).is_err());
}
