//! A plot of trials, as SVG: for each kind of deaths, tasks a second and messages a task by the size of the team.

use std::fmt::Write as _;

use colony_agents::protocol::advice::Mode;
use colony_agents::trial::{Deaths, Outcome};

use super::compare::deaths;
use super::input::name;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const MODES: [Mode; 5] = [Mode::Alone, Mode::Conductor, Mode::Peer, Mode::Event, Mode::Hybrid];

/// What is drawn upwards.
struct Measure {
    title: &'static str,
    of: fn(&Outcome) -> f64,
}

const MEASURES: [Measure; 3] = [
    Measure { title: "tasks done a second", of: |outcome| outcome.tasks_per_second },
    Measure { title: "messages a task done", of: |outcome| outcome.messages_per_task },
    Measure { title: "tasks lost", of: |outcome| outcome.lost as f64 },
];

fn colour(mode: Mode) -> &'static str {
    match mode {
        Mode::Alone => "#777777",
        Mode::Conductor => "#d1495b",
        Mode::Peer => "#edae49",
        Mode::Event => "#00798c",
        Mode::Hybrid => "#7a5195",
    }
}

/// Draws outcomes.
pub(super) fn svg(outcomes: &[Outcome]) -> String {
    let mut kinds: Vec<Deaths> = outcomes.iter().map(|outcome| outcome.deaths).collect();
    kinds.sort();
    kinds.dedup();
    let (width, height) = (MEASURES.len() as f64 * WIDTH, kinds.len() as f64 * HEIGHT + 30.0);
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11"><rect width="{width}" height="{height}" fill="white"/>"#
    );
    for (index, mode) in MODES.into_iter().enumerate() {
        if outcomes.iter().any(|outcome| outcome.mode == mode) {
            let (x, fill) = (LEFT + index as f64 * 90.0, colour(mode));
            let _ = write!(
                out,
                r#"<rect x="{x}" y="8" width="12" height="12" fill="{fill}"/><text x="{}" y="18">{}</text>"#,
                x + 18.0,
                name(mode)
            );
        }
    }
    for (row, kind) in kinds.iter().enumerate() {
        let of_kind: Vec<_> = outcomes.iter().filter(|outcome| outcome.deaths == *kind).collect();
        for (column, measure) in MEASURES.iter().enumerate() {
            let (x, y) = (column as f64 * WIDTH, 30.0 + row as f64 * HEIGHT);
            panel(&mut out, &of_kind, measure, *kind, x, y);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, outcomes: &[&Outcome], measure: &Measure, kind: Deaths, x: f64, y: f64) {
    let mut sizes: Vec<usize> = outcomes.iter().map(|outcome| outcome.agents).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let most = outcomes.iter().map(|outcome| (measure.of)(outcome)).fold(0.0, f64::max).max(1e-9);
    let (left, right) = (x + LEFT, x + WIDTH - 20.0);
    let (top, bottom) = (y + TOP, y + HEIGHT - 30.0);
    let across = |agents: usize| {
        let place = sizes.iter().position(|size| *size == agents).unwrap_or(0) as f64;
        left + (right - left) * (place + 0.5) / sizes.len().max(1) as f64
    };
    let up = |value: f64| bottom - (bottom - top) * value / most;
    let _ = write!(
        out,
        r##"<text x="{left}" y="{}" font-weight="bold">{}; deaths: {}</text><path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#999"/><text x="{}" y="{}" text-anchor="end">{}</text><text x="{}" y="{bottom}" text-anchor="end">0</text>"##,
        y + 25.0,
        measure.title,
        deaths(kind),
        left - 6.0,
        top + 4.0,
        figure(most),
        left - 6.0,
    );
    for size in &sizes {
        let _ = write!(
            out,
            r#"<text x="{}" y="{}" text-anchor="middle">{size}</text>"#,
            across(*size),
            bottom + 15.0
        );
    }
    for mode in MODES {
        let mut line: Vec<_> = outcomes.iter().filter(|outcome| outcome.mode == mode).collect();
        if line.is_empty() {
            continue;
        }
        line.sort_by_key(|outcome| outcome.agents);
        let points =
            line.iter().map(|o| format!("{:.1},{:.1}", across(o.agents), up((measure.of)(o))));
        let points: Vec<String> = points.collect();
        let (points, stroke) = (points.join(" "), colour(mode));
        let _ = write!(
            out,
            r#"<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="2"/>"#
        );
        for point in points.split(' ') {
            if let Some((cx, cy)) = point.split_once(',') {
                let _ = write!(out, r#"<circle cx="{cx}" cy="{cy}" r="3" fill="{stroke}"/>"#);
            }
        }
    }
}

fn figure(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
