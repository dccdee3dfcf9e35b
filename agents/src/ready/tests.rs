//! What each ready-made agent does, on a log in memory: a story is told, and what the agents do about it is appended and told on.

use colony_core::{Address, AgentName, EntityName, Entry, Envelope, Lane, Position, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::protocol::contract::{SideFound, terms_digest};
use crate::protocol::task::Phase;
use crate::protocol::testing::{agent, at, entity, entry, signer, t};
use crate::protocol::{Json, Millis, Outcome, Signature};

/// Agents, the log that they share, and what they are at.
#[derive(Debug)]
struct Stage {
    crew: Crew,
    now: Timestamp,
    position: u64,
    /// What members said, in order: who, what, about what, with which payload.
    said: Vec<(AgentName, String, EntityName, Value)>,
    /// Who works on what, under which fence.
    work: Vec<(AgentName, EntityName, Position)>,
}

impl Stage {
    fn new(members: Vec<(&str, Box<dyn Role>)>) -> Self {
        let mut crew = Crew::default();
        for (name, role) in members {
            crew.join(agent(name), role);
        }
        Self { crew, now: at(0), position: 0, said: Vec::new(), work: Vec::new() }
    }

    /// Lets the members begin: what was told before is known to them.
    fn begin(mut self) -> Self {
        let due = self.crew.begin(self.now);
        self.settle(due);
        self
    }

    /// Somebody who is no member says something.
    #[track_caller]
    fn says(&mut self, who: &str, ty: &str, about: &str, data: Value) -> Position {
        let entry = entry(self.position + 1, self.now, who, ty, about, &data);
        let position = entry.position;
        assert_eq!(self.store(entry), Outcome::Applied, "{ty} of {who}");
        position
    }

    fn store(&mut self, entry: Entry) -> Outcome {
        self.position += 1;
        let (outcome, due) = self.crew.take(&entry, self.now);
        self.settle(due);
        outcome
    }

    /// Appends what members say, and what they say about that, until nobody has anything to say.
    fn settle(&mut self, due: Vec<Due>) {
        for Due { agent: who, act } in due {
            match act {
                Act::Say(say) => {
                    let id = format!("e{}", self.position + 1).parse().unwrap();
                    let event = say.into_draft().into_event(who.clone(), id, self.now.into());
                    let data = event.data.to_value().unwrap_or_default();
                    let about = event.entity.clone().unwrap();
                    self.said.push((who.clone(), event.ty.to_string(), about, data));
                    let lane = Lane { author: who, name: "main".parse().unwrap() };
                    let address = Address::Lane { lane, kind: colony_bus::kind_of(&event) };
                    let digest = colony_core::Digest::of(event.id.as_str().as_bytes());
                    self.store(Entry {
                        position: Position::new(self.position + 1),
                        recorded: self.now,
                        address,
                        envelope: Envelope::from(event),
                        digest,
                        signature: None,
                    });
                }
                Act::Work { task, fence, .. } => self.work.push((who, task, fence)),
            }
        }
    }

    /// Lets time pass until so many seconds after the beginning.
    fn at(&mut self, seconds: i64) {
        self.at_ms(seconds * 1_000);
    }

    fn at_ms(&mut self, millis: i64) {
        self.now = Timestamp::from_nanos(at(0).as_nanos() + millis * 1_000_000);
        let due = self.crew.pass_time(self.now);
        self.settle(due);
    }

    /// Ends the work of an agent on a task.
    #[track_caller]
    fn works(&mut self, who: &str, task: &str, result: Result<&str, &str>) {
        let (who, task) = (agent(who), entity(task));
        let found = self.work.iter().position(|(by, on, _)| *by == who && *on == task);
        let (_, _, fence) = self.work.remove(found.expect("it is at work"));
        let json = result.map(|result| Json::from_text(result).unwrap());
        let result = json.as_ref().map_err(|reason| *reason);
        let due = self.crew.worked(&who, &task, fence, result, self.now);
        self.settle(due);
    }

    /// Returns what a member said of a type: about what, with which payload.
    fn said(&self, who: &str, ty: &str) -> Vec<(&str, &Value)> {
        let said = self.said.iter().filter(|(by, of, ..)| *by == agent(who) && of == ty);
        said.map(|(_, _, about, data)| (about.as_str(), data)).collect()
    }

    fn about(&self, who: &str, ty: &str) -> Vec<&str> {
        self.said(who, ty).into_iter().map(|(about, _)| about).collect()
    }

    /// Returns who is at work on what.
    fn at_work(&self) -> Vec<(&str, &str)> {
        self.work.iter().map(|(who, task, _)| (who.as_str(), task.as_str())).collect()
    }

    fn phase(&self, task: &str) -> &Phase {
        &self.crew.space().agreed().tasks.get(&entity(task)).unwrap().phase
    }
}

fn worker(skills: &[&str]) -> Worker {
    Worker {
        skills: skills.iter().map(|skill| (*skill).to_owned()).collect(),
        silent: Millis::from_secs(60),
        work: Work::Simulated { duration_ms: Millis::new(0) },
        capacity: 1,
    }
}

fn bidder(price: u64, for_each_held: u64, skills: &[&str]) -> Box<dyn Role> {
    let Worker { skills, silent, work, .. } = worker(skills);
    let pricing = Pricing { price, for_each_held, takes: Millis::from_secs(10) };
    Box::new(Bidder { skills, pricing, silent, work })
}

fn for_bids(until: i64) -> Value {
    json!({"what": "dig", "done_when": "it is dug", "skills": ["dig"], "mode": {"bid": {"until": t(until)}}})
}

#[test]
fn a_bidder_bids_once_what_its_load_makes_it_and_does_what_it_is_awarded() {
    let members = vec![("ann", bidder(10, 5, &["dig"])), ("bob", bidder(12, 5, &["dig"]))];
    let mut stage = Stage::new(members).begin();
    stage.says("eve", "task.offered", "pit", for_bids(5));
    stage.at(1);
    let bid = |price: u64, finish: i64| json!({"price": price, "finish": t(finish), "why": "holds 0 tasks"});
    assert_eq!(stage.said("ann", "task.bid"), [("pit", &bid(10, 15))], "once, also as time passes");
    assert_eq!(stage.said("bob", "task.bid"), [("pit", &bid(12, 15))]);
    stage.at(5);
    assert!(
        stage.about("ann", "task.closed").is_empty(),
        "at the deadline itself the window is open"
    );
    stage.at_ms(5_100);
    assert_eq!(stage.about("ann", "task.closed"), ["pit"], "the first that bid says so");
    stage.at(6);
    assert!(stage.about("bob", "task.closed").is_empty());
    assert_eq!(stage.at_work(), [("ann", "pit")]);
    // Who has something to do is dearer, and later.
    stage.says("eve", "task.offered", "hole", for_bids(20));
    let (_, second) = stage.said("ann", "task.bid")[1];
    assert_eq!((&second["price"], &second["finish"]), (&json!(15), &json!(t(40))));
    stage.at_ms(20_100);
    assert_eq!(stage.at_work(), [("ann", "pit"), ("bob", "hole")]);
    stage.works("ann", "pit", Ok(r#"{"deep": 3}"#));
    assert_eq!(stage.said("ann", "task.done")[0].1["result"], json!({"deep": 3}));
    stage.works("bob", "hole", Err("a stone"));
    assert_eq!(stage.said("bob", "task.released")[0].1["reason"], "a stone");
    assert_eq!(stage.at_work(), [("ann", "hole")], "the next bid holds");
}

#[test]
fn a_bidder_leaves_alone_what_it_cannot_do_and_what_takes_no_bids() {
    let mut stage = Stage::new(vec![("ann", bidder(10, 0, &["paint"]))]).begin();
    stage.says("eve", "task.offered", "pit", for_bids(5));
    stage.says("eve", "task.offered", "wall", json!({"what": "paint", "skills": ["paint"]}));
    stage.at(9);
    assert!(stage.about("ann", "task.bid").is_empty());
    assert!(
        stage.about("ann", "task.claimed").is_empty(),
        "it takes nothing that it is not awarded"
    );
}

#[test]
fn a_window_is_closed_by_the_next_bidder_where_the_first_has_died() {
    let members = ["ann", "bob", "cid"].map(|name| (name, bidder(10, 0, &["dig"])));
    let mut stage = Stage::new(members.into_iter().collect()).begin();
    stage.says("eve", "task.offered", "pit", for_bids(5));
    assert!(stage.crew.lose(&agent("ann")));
    stage.at_ms(5_400);
    assert!(stage.about("bob", "task.closed").is_empty(), "ann may be slow");
    stage.at_ms(5_600);
    assert_eq!(stage.about("bob", "task.closed"), ["pit"]);
    assert!(stage.about("cid", "task.closed").is_empty(), "nor does everybody say so");
}

fn caller() -> Box<dyn Role> {
    Box::new(Caller { quota: entity("api"), cost: 2, worker: worker(&[]) })
}

fn clear() -> Value {
    json!({"what": "call", "done_when": "it answered"})
}

#[test]
fn a_caller_works_only_on_what_it_was_granted_and_gives_back_when_done() {
    let mut stage = Stage::new(vec![("ann", caller()), ("bob", caller())]).begin();
    stage.says("eve", "quota.defined", "api", json!({"amount": 3, "period_ms": 10_000}));
    stage.says("eve", "task.offered", "one", clear());
    stage.says("eve", "task.offered", "two", clear());
    assert_eq!(stage.about("ann", "task.claimed"), ["one"]);
    assert_eq!(stage.about("bob", "task.claimed"), ["two"]);
    let asked = |who: &str| stage.said(who, "quota.taken").len();
    assert_eq!((asked("ann"), asked("bob")), (1, 1));
    assert_eq!(stage.at_work(), [("ann", "one")], "for bob nothing is left");
    stage.at(5);
    assert_eq!(stage.said("bob", "quota.taken").len(), 1, "and it does not ask in vain");
    stage.works("ann", "one", Ok("1"));
    let (_, back) = stage.said("ann", "quota.returned")[0];
    assert_eq!(back["used"], 2, "what was used stays taken");
    assert_eq!(stage.at_work(), []);
    stage.at(10);
    assert_eq!(stage.at_work(), [("bob", "two")], "the next period has begun");
}

#[test]
fn a_caller_that_has_a_reservation_left_works_with_it_and_takes_no_other() {
    let mut stage = Stage::new(vec![("ann", caller())]).begin();
    stage.says("eve", "quota.defined", "api", json!({"amount": 5, "period_ms": 60_000}));
    stage.says("eve", "task.offered", "one", clear());
    assert_eq!(stage.at_work(), [("ann", "one")]);
    stage.says("eve", "task.cancelled", "one", json!({}));
    stage.at(1);
    stage.says("eve", "task.offered", "two", clear());
    assert_eq!(stage.said("ann", "quota.taken").len(), 1);
    assert_eq!(stage.at_work(), [("ann", "one"), ("ann", "two")]);
}

fn reviewer(review: Review) -> Box<dyn Role> {
    Box::new(Reviewer { review })
}

/// bob delivers a task that rea judges.
fn delivers(stage: &mut Stage, task: &str, data: Value) {
    stage.says("eve", "task.offered", task, json!({"what": "x", "verifiers": ["rea"]}));
    let fence = stage.says("bob", "task.claimed", task, json!({"until": t(1_000)}));
    let mut done = json!({"fence": fence});
    done.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    stage.says("bob", "task.done", task, done);
}

#[test]
fn a_reviewer_finds_good_what_holds_a_result_and_says_what_is_missing() {
    let mut stage = Stage::new(vec![("rea", reviewer(Review::Result))]);
    // Delivered while it was away.
    delivers(&mut stage, "early", json!({"result": 1}));
    let mut stage = stage.begin();
    assert_eq!(stage.about("rea", "task.verified"), ["early"]);
    delivers(&mut stage, "empty", json!({}));
    let (task, why) = stage.said("rea", "task.rejected")[0];
    assert_eq!((task, &why["reason"]), ("empty", &json!("there is no result")));
    assert!(matches!(stage.phase("empty"), Phase::Free { .. }), "the next round has begun");
    delivers(&mut stage, "good", json!({"result": {"files": 3}}));
    assert_eq!(stage.about("rea", "task.verified"), ["early", "good"]);
    assert!(matches!(stage.phase("good"), Phase::Verified(_)));
}

#[test]
fn a_reviewer_that_asks_for_evidence_takes_it_beside_the_result_or_in_it() {
    let mut stage = Stage::new(vec![("rea", reviewer(Review::Evidence))]).begin();
    delivers(&mut stage, "bare", json!({"result": 1}));
    delivers(&mut stage, "none", json!({"result": {"evidence": []}}));
    assert_eq!(stage.about("rea", "task.rejected"), ["bare", "none"]);
    delivers(&mut stage, "beside", json!({"result": 1, "evidence": ["https://example.com"]}));
    delivers(&mut stage, "within", json!({"result": {"evidence": ["https://example.com"]}}));
    assert_eq!(stage.about("rea", "task.verified"), ["beside", "within"]);
}

#[test]
fn a_reviewer_judges_nothing_that_others_judge_and_nothing_of_its_own() {
    let mut stage = Stage::new(vec![("rea", reviewer(Review::Result))]).begin();
    stage.says("eve", "task.offered", "other", json!({"what": "x", "verifiers": ["zoe"]}));
    let fence = stage.says("bob", "task.claimed", "other", json!({"until": t(1_000)}));
    stage.says("bob", "task.done", "other", json!({"fence": fence, "result": 1}));
    stage.says("eve", "task.offered", "own", json!({"what": "x", "verifiers": ["rea", "zoe"]}));
    let fence = stage.says("rea", "task.claimed", "own", json!({"until": t(1_000)}));
    stage.says("rea", "task.done", "own", json!({"fence": fence, "result": 1}));
    assert!(stage.said.iter().all(|(_, ty, ..)| !ty.starts_with("task.")), "{:?}", stage.said);
}

/// A contract of two milestones without stakes, judged by v1 or v2, arbitrated by three; the first is delivered.
fn contract(stage: &mut Stage) -> Position {
    let party = |name: &str, number: u8| json!({"agent": name, "key": signer(number).public()});
    let terms = json!({
        "customer": party("ann", 1), "supplier": party("sam", 2),
        "deliverable": {"what": "a map"},
        "milestones": [{"name": "draft", "due": t(100)}, {"name": "map", "due": t(200)}],
        "start_by": t(50),
        "verification": {"peer": {"verifiers": ["v1", "v2"], "quorum": 1}},
        "arbitrators": ["arb", "a2", "a3"],
    });
    let digest = terms_digest(&entity("map"), &terms.to_string()).unwrap();
    let sign = |number: u8| json!(Signature::make(&signer(number), &digest).unwrap());
    stage.says("ann", "contract.proposed", "map", json!({"terms": terms, "signature": sign(1)}));
    stage.says("sam", "contract.signed", "map", json!({"signature": sign(2)}));
    let delivery = json!({"milestone": 0, "hash": colony_core::Digest::of(b"map")});
    stage.says("sam", "milestone.submitted", "map", delivery)
}

fn arbiter(judgement: Judgement) -> Vec<(&'static str, Box<dyn Role>)> {
    vec![("arb", Box::new(Arbiter { judgement })), ("out", Box::new(Arbiter { judgement }))]
}

fn disputed(stage: &mut Stage, by: &str) {
    stage.says(by, "dispute.opened", "map", json!({"milestone": 0, "claim": "see for yourself"}));
}

#[test]
fn an_arbiter_votes_once_with_most_of_those_who_looked_where_it_was_named() {
    let mut stage = Stage::new(arbiter(Judgement::Verifiers)).begin();
    let submission = contract(&mut stage);
    let found = json!({"milestone": 0, "submission": submission});
    stage.says("v1", "milestone.verified", "map", found);
    disputed(&mut stage, "ann");
    stage.at(1);
    let votes = stage.said("arb", "dispute.voted");
    assert_eq!(votes.len(), 1);
    assert_eq!(votes[0].1["right"], "supplier");
    assert!(stage.about("out", "dispute.voted").is_empty(), "it was not named");
}

#[test]
fn an_arbiter_finds_for_the_customer_where_nobody_found_it_good() {
    let mut stage = Stage::new(arbiter(Judgement::Verifiers));
    let submission = contract(&mut stage);
    let found = json!({"milestone": 0, "submission": submission, "reason": "empty"});
    stage.says("v1", "milestone.failed", "map", found.clone());
    stage.says("v2", "milestone.failed", "map", found);
    disputed(&mut stage, "sam");
    // The dispute was opened while it was away.
    let stage = stage.begin();
    assert_eq!(stage.said("arb", "dispute.voted")[0].1["right"], "customer");
}

#[test]
fn a_partial_arbiter_is_one() {
    let mut stage = Stage::new(arbiter(Judgement::Always(SideFound::Neither))).begin();
    let submission = contract(&mut stage);
    stage.says(
        "v1",
        "milestone.verified",
        "map",
        json!({"milestone": 0, "submission": submission}),
    );
    disputed(&mut stage, "ann");
    assert_eq!(stage.said("arb", "dispute.voted")[0].1["right"], "neither");
}

#[test]
fn a_scribe_notes_after_so_many_deliveries_how_the_tasks_stand() {
    let scribe = Scribe { board: entity("wall"), every: 2 };
    let mut stage = Stage::new(vec![("sid", Box::new(scribe) as Box<dyn Role>)]).begin();
    for task in ["a", "b", "c", "d", "e"] {
        stage.says("eve", "task.offered", task, clear());
    }
    stage.says("eve", "task.offered", "f", json!({"what": "x", "after": ["c"]}));
    let does = |stage: &mut Stage, task: &str| {
        let fence = stage.says("bob", "task.claimed", task, json!({"until": t(1_000)}));
        stage.says("bob", "task.done", task, json!({"fence": fence, "result": 1}))
    };
    does(&mut stage, "a");
    assert!(stage.said("sid", "board.noted").is_empty());
    let second = does(&mut stage, "b");
    let note = json!({"position": second, "free": 3, "waiting": 1, "doing": 0, "blocked": 0, "done": 2, "overdue": 0});
    assert_eq!(stage.said("sid", "board.noted"), [("wall", &note)]);
    let again = json!({"fence": 1, "result": 1});
    let ignored = entry(stage.position + 1, stage.now, "bob", "task.done", "a", &again);
    assert!(matches!(stage.store(ignored), Outcome::Ignored(_)));
    assert_eq!(stage.said("sid", "board.noted").len(), 1, "what is ignored is no delivery");
    stage.says("bob", "task.claimed", "c", json!({"until": t(5)}));
    stage.at(10);
    does(&mut stage, "d");
    let fourth = does(&mut stage, "e");
    let note = json!({"position": fourth, "free": 0, "waiting": 1, "doing": 1, "blocked": 0, "done": 4, "overdue": 1});
    assert_eq!(stage.said("sid", "board.noted")[1], ("wall", &note));
}

fn assigned(skill: &str) -> Box<dyn Role> {
    Box::new(Assigned { worker: worker(&[skill]) })
}

fn planned(name: &str, data: Value) -> Planned {
    Planned { name: entity(name), offered: serde_json::from_value(data).unwrap() }
}

#[test]
fn a_conductor_gives_each_worker_one_task_that_it_can_do_and_takes_it_back_from_who_is_silent() {
    let plan = vec![
        planned("dig-1", json!({"what": "x", "skills": ["dig"]})),
        planned("paint", json!({"what": "x", "skills": ["paint"], "after": ["dig-1"]})),
        planned("dig-2", json!({"what": "x", "skills": ["dig"]})),
    ];
    let conductor = Box::new(Conductor::new(plan, Millis::from_secs(60)));
    let members: Vec<(&str, Box<dyn Role>)> =
        vec![("con", conductor), ("dan", assigned("dig")), ("pat", assigned("paint"))];
    let mut stage = Stage::new(members).begin();
    assert_eq!(stage.about("con", "task.offered"), ["dig-1"], "paint waits, and dan has one");
    assert_eq!(stage.at_work(), [("dan", "dig-1")]);
    stage.works("dan", "dig-1", Ok("1"));
    assert_eq!(stage.at_work(), [("pat", "paint"), ("dan", "dig-2")]);
    assert_eq!(stage.about("con", "task.offered").len(), 3);
    let to = |stage: &Stage| stage.said("con", "task.offered").last().unwrap().1["mode"].clone();
    assert_eq!(to(&stage), json!({"assigned": {"to": "dan"}}));

    assert!(stage.crew.lose(&agent("dan")));
    stage.at(40);
    stage.at(61);
    assert_eq!(stage.about("con", "task.lapsed"), ["dig-2"], "pat has said that it is still at it");
    assert_eq!(stage.about("con", "task.offered").len(), 3, "nobody is left who can dig");
    let card = json!({"skills": ["dig"], "capacity": 1});
    stage.says("zoe", "agent.announced", "zoe", card);
    assert_eq!(to(&stage), json!({"assigned": {"to": "zoe"}}));
    let Phase::Held(hold) = stage.phase("dig-2") else { panic!("zoe holds it") };
    assert_eq!(hold.owner, agent("zoe"));
}

#[test]
fn a_conductor_that_comes_back_goes_on_with_its_plan() {
    let plan = || vec![planned("one", clear()), planned("two", clear())];
    let conductor = || Box::new(Conductor::new(plan(), Millis::from_secs(60)));
    let mut stage = Stage::new(vec![("con", conductor()), ("dan", assigned("dig"))]).begin();
    assert_eq!(stage.at_work(), [("dan", "one")]);
    stage.crew.lose(&agent("con"));
    stage.works("dan", "one", Ok("1"));
    stage.at(20);
    assert_eq!(stage.at_work(), [], "what is planned is with the conductor alone");
    stage.crew.join(agent("con"), conductor());
    stage.at(21);
    assert_eq!(stage.at_work(), [("dan", "two")], "what was done is not handed out again");
}

#[test]
fn a_worker_under_a_conductor_takes_nothing_by_itself() {
    let mut stage = Stage::new(vec![("dan", assigned("dig"))]).begin();
    stage.says("eve", "task.offered", "free", clear());
    stage.at(9);
    assert_eq!(stage.at_work(), []);
    stage.says(
        "eve",
        "task.offered",
        "given",
        json!({"what": "x", "mode": {"assigned": {"to": "dan"}}}),
    );
    assert_eq!(stage.at_work(), [("dan", "given")]);
}

fn settler() -> Vec<(&'static str, Box<dyn Role>)> {
    vec![("sue", Box::new(Settler { worker: worker(&[]) }))]
}

/// Somebody who is no member sends a mail.
fn mails(stage: &mut Stage, who: &str, to: &str, ty: &str, about: &str) {
    let data = json!({"done_when": "it works"});
    let mut entry = entry(stage.position + 1, stage.now, who, ty, about, &data);
    entry.envelope.event.recipient = Some(agent(to));
    let lane = Lane { author: agent(who), name: "main".parse().unwrap() };
    let kind = colony_bus::kind_of(&entry.envelope.event);
    entry.address = Address::Lane { lane, kind };
    stage.store(entry);
}

#[test]
fn a_settler_asks_before_it_begins_where_the_offer_does_not_say_when_it_is_done() {
    let mut stage = Stage::new(settler()).begin();
    stage.says("eve", "task.offered", "clear", clear());
    assert_eq!(stage.at_work(), [("sue", "clear")]);
    assert!(stage.about("sue", "scope.asked").is_empty());
    stage.works("sue", "clear", Ok("1"));
    assert!(stage.said("sue", "task.done")[0].1.get("evidence").is_none());

    stage.says("eve", "task.offered", "unclear", json!({"what": "x"}));
    assert_eq!(stage.about("sue", "scope.asked"), ["unclear"]);
    assert_eq!(stage.at_work(), []);
    mails(&mut stage, "eve", "zoe", "scope.answered", "unclear");
    mails(&mut stage, "eve", "sue", "scope.answered", "clear");
    assert_eq!(stage.at_work(), [], "that was for another, or about another");
    mails(&mut stage, "eve", "sue", "scope.answered", "unclear");
    assert_eq!(stage.at_work(), [("sue", "unclear")]);
    stage.works("sue", "unclear", Ok("1"));
    assert_eq!(stage.said("sue", "task.done")[1].1["evidence"], json!(["asked by mail"]));
}

#[test]
fn a_settler_that_is_not_answered_begins_when_half_of_its_time_is_over() {
    let mut stage = Stage::new(settler()).begin();
    stage.says("eve", "task.offered", "unclear", json!({"what": "x"}));
    stage.at(29);
    assert_eq!(stage.at_work(), []);
    stage.at(30);
    assert_eq!(stage.at_work(), [("sue", "unclear")]);
    stage.at(31);
    assert_eq!(stage.at_work(), [("sue", "unclear")], "once");
    stage.works("sue", "unclear", Err("no"));
    assert_eq!(stage.about("sue", "task.released"), ["unclear"]);
}

#[test]
fn a_client_offers_what_is_not_there_answers_and_sends_back_the_first_guess_only() {
    let plan = vec![planned("clear", clear()), planned("unclear", json!({"what": "x"}))];
    let mut stage = Stage::new(vec![("eve", Box::new(Client { plan }))]);
    stage.says("zoe", "task.offered", "clear", clear());
    let mut stage = stage.begin();
    assert_eq!(stage.about("eve", "task.offered"), ["unclear"]);
    let mut guess = || {
        let fence = stage.says("bob", "task.claimed", "unclear", json!({"until": t(1_000)}));
        stage.says("bob", "task.done", "unclear", json!({"fence": fence, "result": 1}));
        stage.said("eve", "task.rejected").len()
    };
    assert_eq!((guess(), guess()), (1, 1), "the second has the reason");
    mails(&mut stage, "bob", "zoe", "scope.asked", "unclear");
    assert!(stage.about("eve", "scope.answered").is_empty());
    mails(&mut stage, "bob", "eve", "scope.asked", "unclear");
    assert_eq!(stage.about("eve", "scope.answered"), ["unclear"]);
}
