//! The tax as a picture: an SVG that needs nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use colony_agents::protocol::Millis;
use colony_agents::protocol::tax::{OnPath, Purpose, Report};
use colony_core::AgentName;

use super::span;
use crate::coordinate::word;

/// Width of the picture.
const WIDTH: f64 = 960.0;
/// Margin around everything, and between panels.
const MARGIN: f64 = 24.0;
/// Height of a bar with its gap.
const BAR: f64 = 18.0;
/// Where bars begin, right of their names.
const NAMES: f64 = 150.0;
/// Most agents shown in bars.
const AGENTS: usize = 16;
/// Most agents shown in the matrix.
const MATRIX: usize = 14;
/// Height of the timeline.
const TIMELINE: f64 = 120.0;

/// Draws a report: work against coordination by agent and over time, channels, the handover matrix, and waiting along the
/// critical path.
pub(super) fn draw(space: &str, report: &Report) -> String {
    let mut page = Page { body: String::new(), y: MARGIN };
    let (own, waited) = report.critical_time();
    page.title(&format!("The coordination tax of {space}"));
    page.note(&format!(
        "{} of 1000 entries coordinate; {} of {} channels used; critical path: {} at work, {} waiting",
        report.tax_per_mille(),
        report.channels.used,
        report.channels.possible,
        span(own),
        span(waited),
    ));
    page.legend();
    page.agents(report);
    page.timeline(report);
    page.channels(report);
    page.matrix(report);
    page.path(report);
    page.finish()
}

/// Each purpose in its colour, work first.
const COLOURS: [(Purpose, &str); 6] = [
    (Purpose::Work, "#3b7a57"),
    (Purpose::Agreement, "#c8553d"),
    (Purpose::Context, "#e0a458"),
    (Purpose::Verification, "#5b6c9d"),
    (Purpose::Talk, "#9b5094"),
    (Purpose::Bookkeeping, "#a3a3a3"),
];

struct Page {
    body: String,
    y: f64,
}

impl Page {
    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{text}</text>"#);
    }

    /// Draws a rectangle that says what it is when pointed at.
    fn rect(&mut self, (x, y, width, height): (f64, f64, f64, f64), colour: &str, says: &str) {
        let says = escaped(says);
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"><title>{says}</title></rect>"#
        );
    }

    fn title(&mut self, text: &str) {
        self.y += 12.0;
        self.text(MARGIN, self.y, "title", text);
        self.y += 22.0;
    }

    fn note(&mut self, text: &str) {
        self.text(MARGIN, self.y, "note", text);
        self.y += MARGIN;
    }

    fn panel(&mut self, text: &str) {
        self.y += MARGIN;
        self.text(MARGIN, self.y, "panel", text);
        self.y += 12.0;
    }

    fn legend(&mut self) {
        let mut x = MARGIN;
        for (purpose, colour) in COLOURS {
            let name = word(&purpose);
            self.rect((x, self.y - 10.0, 12.0, 12.0), colour, &name);
            self.text(x + 17.0, self.y, "label", &name);
            x += 120.0;
        }
    }

    /// Draws a bar of parts, each in its colour.
    fn bar(&mut self, name: &str, scale: f64, parts: &[(f64, &str, String)]) {
        self.text(MARGIN, self.y + BAR * 0.7, "label", name);
        let mut x = NAMES;
        for (amount, colour, says) in parts.iter().filter(|(amount, ..)| *amount > 0.0) {
            let width = amount * scale;
            self.rect((x, self.y, width, BAR - 4.0), colour, &format!("{name}: {says}"));
            x += width;
        }
        self.y += BAR;
    }

    fn agents(&mut self, report: &Report) {
        let sum = |amounts: &BTreeMap<Purpose, _>| entries(amounts).map(|(_, n)| n).sum::<u64>();
        let mut agents: Vec<_> = report.agents.iter().map(|(a, of)| (sum(of), a, of)).collect();
        agents.sort_by_key(|(all, agent, _)| (std::cmp::Reverse(*all), *agent));
        let Some((most, ..)) = agents.first() else { return };
        self.panel(&format!("Entries by agent ({} agents, the {AGENTS} busiest)", agents.len()));
        let scale = (WIDTH - NAMES - MARGIN) / real(*most).max(1.0);
        for (_, agent, of) in agents.iter().take(AGENTS) {
            let parts: Vec<_> = entries(of)
                .map(|(purpose, n)| (real(n), colour(purpose), format!("{n} {}", word(&purpose))))
                .collect();
            self.bar(agent.as_str(), scale, &parts);
        }
    }

    fn timeline(&mut self, report: &Report) {
        let (Some(first), Some(last)) = (report.timeline.first(), report.timeline.last()) else {
            return;
        };
        self.panel("Entries over time");
        let begin = first.from.as_nanos();
        let length = nanos(last.length);
        let whole = (last.from.as_nanos() - begin).saturating_add(length).max(1);
        let sum = |of: &BTreeMap<Purpose, u64>| of.values().sum::<u64>();
        let most = report.timeline.iter().map(|span| sum(&span.entries)).max().unwrap_or(1);
        let across = (WIDTH - 2.0 * MARGIN) / signed(whole);
        let up = TIMELINE / real(most).max(1.0);
        for span in &report.timeline {
            let x = MARGIN + signed(span.from.as_nanos() - begin) * across;
            let width = (signed(nanos(span.length)) * across).max(0.5);
            let mut y = self.y + TIMELINE;
            for (purpose, colour) in COLOURS {
                let count = span.entries.get(&purpose).copied().unwrap_or(0);
                if count > 0 {
                    let height = real(count) * up;
                    y -= height;
                    let says = format!("{}: {count} {}", span.from, word(&purpose));
                    self.rect((x, y, width, height), colour, &says);
                }
            }
        }
        self.y += TIMELINE + 14.0;
        self.text(MARGIN, self.y, "label", &crate::show::time(first.from));
        self.text(WIDTH - MARGIN - 150.0, self.y, "label", &crate::show::time(last.from));
    }

    fn channels(&mut self, report: &Report) {
        let channels = &report.channels;
        self.panel("Channels: pairs of agents that spoke, of all pairs");
        let scale = (WIDTH - NAMES - MARGIN) / real(channels.possible).max(1.0);
        let rest = channels.possible.saturating_sub(channels.used);
        let parts = [
            (real(channels.used), "#c8553d", format!("{} used", channels.used)),
            (real(rest), "#e6e6e6", format!("{rest} not used")),
        ];
        let name = format!("{} of {}", channels.used, channels.possible);
        self.bar(&name, scale, &parts);
    }

    fn matrix(&mut self, report: &Report) {
        let mut weights: BTreeMap<&AgentName, u64> = BTreeMap::new();
        for passage in &report.handovers.matrix {
            *weights.entry(&passage.from).or_default() += passage.times;
            *weights.entry(&passage.to).or_default() += passage.times;
        }
        let mut agents: Vec<_> = weights.into_iter().collect();
        agents.sort_by_key(|(agent, weight)| (std::cmp::Reverse(*weight), *agent));
        agents.truncate(MATRIX);
        let Some(most) = report.handovers.matrix.first().map(|passage| passage.times) else {
            return;
        };
        let times = report.handovers.times;
        self.panel(&format!("What passed from whom (row) to whom (column): {times} times in all"));
        let cell = 24.0;
        let place = |agent: &AgentName| agents.iter().position(|(known, _)| *known == agent);
        for (row, (agent, _)) in agents.iter().enumerate() {
            let y = self.y + 16.0 + index(row) * cell;
            self.text(MARGIN, y + 15.0, "label", &format!("{}  {agent}", row + 1));
            self.text(
                NAMES + index(row) * cell + 6.0,
                self.y + 10.0,
                "label",
                &(row + 1).to_string(),
            );
        }
        for passage in &report.handovers.matrix {
            let (Some(row), Some(column)) = (place(&passage.from), place(&passage.to)) else {
                continue;
            };
            let (x, y) = (NAMES + index(column) * cell, self.y + 16.0 + index(row) * cell);
            let light = 92.0 - 60.0 * (real(passage.times) / real(most)).sqrt();
            let colour = format!("hsl(12, 60%, {light:.0}%)");
            let says = format!("{} to {}: {} times", passage.from, passage.to, passage.times);
            self.rect((x, y, cell - 2.0, cell - 2.0), &colour, &says);
        }
        self.y += 16.0 + index(agents.len()) * cell;
    }

    fn path(&mut self, report: &Report) {
        let mut agents: Vec<_> = report.critical_agents().into_iter().collect();
        agents.sort_by_key(|(_, on_path)| std::cmp::Reverse(whole(on_path)));
        let Some(most) = agents.first().map(|(_, on_path)| whole(on_path)) else { return };
        let steps = report.critical_path.len();
        self.panel(&format!("The critical path, {steps} steps: at work, and waited for"));
        let scale = (WIDTH - NAMES - MARGIN) / real(most).max(1.0);
        for (agent, OnPath { own, waited, own_steps, handover_steps }) in agents.iter().take(AGENTS)
        {
            let parts = [
                (
                    real(own.get()),
                    "#3b7a57",
                    format!("{} in {own_steps} steps of its own", span(*own)),
                ),
                (
                    real(waited.get()),
                    "#c8553d",
                    format!("waited for {} in {handover_steps} steps", span(*waited)),
                ),
            ];
            self.bar(agent.as_str(), scale, &parts);
        }
    }

    fn finish(self) -> String {
        let Self { body, y } = self;
        let height = y + MARGIN;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0}" viewBox="0 0 {WIDTH} {height:.0}">
<style>text {{ font-family: system-ui, sans-serif; fill: #222 }} .title {{ font-size: 18px; font-weight: 600 }} .panel {{ font-size: 13px; font-weight: 600 }} .note, .label {{ font-size: 11px }}</style>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
        )
    }
}

fn entries<'a>(
    amounts: &'a BTreeMap<Purpose, colony_agents::protocol::tax::Amount>,
) -> impl Iterator<Item = (Purpose, u64)> + 'a {
    COLOURS.into_iter().filter_map(|(purpose, _)| Some((purpose, amounts.get(&purpose)?.entries)))
}

fn colour(purpose: Purpose) -> &'static str {
    COLOURS.into_iter().find(|(known, _)| *known == purpose).map_or("#000", |(_, colour)| colour)
}

fn whole(on_path: &OnPath) -> u64 {
    on_path.own.get().saturating_add(on_path.waited.get())
}

fn nanos(length: Millis) -> i64 {
    i64::try_from(length.get()).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

fn real(count: u64) -> f64 {
    count as f64
}

fn signed(nanos: i64) -> f64 {
    nanos as f64
}

fn index(number: usize) -> f64 {
    real(number as u64)
}

/// Returns text as it may stand in XML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
