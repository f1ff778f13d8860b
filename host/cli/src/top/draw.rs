//! Draws a view.

use std::collections::BTreeMap;

use chimera_layer4_api::agents::{ActiveAgent, KpiReport};
use chimera_layer4_core::HealthStatus;
use chimera_layer4_core::scheduler::fair_queue::WEIGHTS;
use chimera_layer4_core::scheduler::{TaskState, TypeStats};
use chimera_layer4_core::telemetry::shown;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use super::view::View;

pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let types = type_rows(view).len() as u16;
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(9),
        Constraint::Length(types.min(12) + 3),
        Constraint::Min(4),
        Constraint::Length(1),
    ]);
    let [head, queue, by_type, agents, foot] = parts.areas(frame.area());
    frame.render_widget(title(view), head);
    let [states, classes] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(queue);
    frame.render_widget(tasks(view), states);
    frame.render_widget(waiting(view), classes);
    frame.render_widget(types_table(view), by_type);
    frame.render_widget(agents_table(view), agents);
    frame.render_widget(Line::from("q ends").dim(), foot);
}

fn title(view: &View) -> Paragraph<'_> {
    let health = &view.health;
    let color = match health.status.as_str() {
        "healthy" => Color::Green,
        "degraded" | "draining" => Color::Yellow,
        _ => Color::Red,
    };
    let message = format!(
        " · {} agents · {} tasks waiting or running · up {}",
        health.active_agents,
        health.pending_tasks,
        span(health.uptime_seconds as f64)
    );
    Paragraph::new(Line::from_iter([health.status.as_str().fg(color).bold(), message.into()]))
}

fn tasks(view: &View) -> Table<'_> {
    let rows = TaskState::ALL.map(|state| {
        let name = state.to_string();
        let count = view.stats.tasks.get(&name).copied().unwrap_or(0);
        Row::new([name, count.to_string()])
    });
    Table::new(rows, [Constraint::Length(12), Constraint::Min(8)])
        .block(Block::bordered().title(" tasks "))
}

fn waiting(view: &View) -> Table<'_> {
    let rows = WEIGHTS.map(|(priority, _)| {
        let name = priority.to_string();
        let count = view.stats.waiting.get(&name).copied().unwrap_or(0);
        let oldest = view.stats.oldest_waiting_secs.get(&name);
        let oldest = oldest.map(|secs| format!("the oldest for {}", span(*secs)));
        Row::new([name, count.to_string(), oldest.unwrap_or_default()])
    });
    Table::new(rows, [Constraint::Length(12), Constraint::Length(9), Constraint::Min(10)])
        .block(Block::bordered().title(" waiting "))
}

fn types_table(view: &View) -> Table<'_> {
    let rows = type_rows(view).into_iter().map(|(name, figures)| {
        let queued = view.stats.queued_by_type.get(name).copied().unwrap_or(0);
        let has_agents = view.agents.iter().any(|agent| agent.agent_type == name);
        let of = |show: fn(&TypeStats) -> String| figures.map(show).unwrap_or_default();
        let running = of(|figures| figures.running.to_string());
        let down = view.health.agent_types_down.get(name);
        let row = Row::new([
            name.to_owned(),
            queued.to_string(),
            match down {
                Some(_) => "down".to_owned(),
                None if has_agents => running,
                None => "no agents".to_owned(),
            },
            of(|figures| format!("{:.1}", figures.ended_per_second)),
            of(|figures| figures.succeeded.to_string()),
            of(|figures| figures.failed.to_string()),
            of(|figures| figures.retried.to_string()),
            of(|figures| figures.breaker.to_string()),
            down.map(|why| shown(why).to_string()).unwrap_or_default(),
        ]);
        match down {
            Some(_) => row.red(),
            // Its tasks wait for an agent type that is not declared.
            None if !has_agents && queued > 0 => row.yellow(),
            None => row,
        }
    });
    let widths = [24, 9, 9, 9, 11, 9, 9, 10].map(Constraint::Length);
    let widths = [widths.to_vec(), vec![Constraint::Fill(1)]].concat();
    let heads =
        ["type", "queued", "running", "ends/s", "succeeded", "failed", "retried", "breaker", "why"];
    Table::new(rows, widths).header(header(heads)).block(Block::bordered().title(" agent types "))
}

/// Every type that has agents or a queue, or is declared and down, by name.
fn type_rows(view: &View) -> BTreeMap<&str, Option<&TypeStats>> {
    let queued = view.stats.queued_by_type.keys().map(|name| (name.as_str(), None));
    let down = view.health.agent_types_down.keys().map(|name| (name.as_str(), None));
    let known = view.stats.agent_types.iter();
    queued
        .chain(down)
        .chain(known.map(|figures| (figures.agent_type.as_str(), Some(figures))))
        .collect()
}

fn agents_table(view: &View) -> Table<'_> {
    let rows = view.agents.iter().map(|agent| agent_row(view, agent));
    // The last digits of an identity tell it from others: the first are the time.
    let [id, rest @ ..] = [12, 16, 10, 7, 10, 7, 9, 6, 8, 9, 9, 7];
    let widths = [vec![Constraint::Min(id)], rest.map(Constraint::Length).to_vec()].concat();
    let heads = [
        "agent", "type", "health", "in hand", "done", "faults", "restarts", "cores", "MiB",
        "p50 ms", "p99 ms", "good",
    ];
    Table::new(rows, widths).header(header(heads)).block(Block::bordered().title(" agents "))
}

fn agent_row<'a>(view: &'a View, agent: &'a ActiveAgent) -> Row<'a> {
    let kpi = view.kpis.get(&agent.id);
    let of_kpi = |show: fn(&KpiReport) -> String| kpi.map(show).unwrap_or_default();
    let cores = view.cores.get(&agent.id).map(|cores| format!("{cores:.2}"));
    let well = agent.health.status == HealthStatus::Healthy;
    let health = Cell::from(word(agent.health.status));
    let health = if well { health } else { health.style(Style::new().fg(Color::Red)) };
    Row::new([
        Cell::from(short(&agent.id.to_string()).to_owned()),
        agent.agent_type.as_str().into(),
        health,
        agent.tasks_in_hand.to_string().into(),
        agent.tasks_done.to_string().into(),
        agent.faults.to_string().into(),
        agent.restarts.to_string().into(),
        cores.unwrap_or_default().into(),
        format!("{:.1}", agent.memory_mb).into(),
        of_kpi(|kpi| format!("{:.2}", kpi.latency_ms)).into(),
        of_kpi(|kpi| format!("{:.2}", kpi.latency_p99_ms)).into(),
        of_kpi(|kpi| format!("{:.0} %", kpi.success_rate * 100.0)).into(),
    ])
}

fn word(health: HealthStatus) -> &'static str {
    match health {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Unhealthy => "unhealthy",
    }
}

/// The random end of an identity: of two that were made in one second, the
/// first dozen digits are alike.
fn short(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

fn header<const N: usize>(heads: [&'static str; N]) -> Row<'static> {
    Row::new(heads).style(Style::new().add_modifier(Modifier::BOLD))
}

/// Seconds in the two units that fit.
fn span(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_of_one_moment_have_short_names_that_differ() {
        let ids = ["01a223c3-e5d8-7420-94ef-7b809673fce5", "01a223c3-e5d8-7420-94ef-7b809673fce6"];
        assert_eq!(ids.map(short), ["7b809673fce5", "7b809673fce6"]);
        assert_eq!(short("plain"), "plain");
    }

    #[test]
    fn a_span_has_the_two_units_that_fit() {
        let spans = [0.5, 61.0, 3720.0, 90_000.0].map(span);
        assert_eq!(spans, ["0 s", "1 min 1 s", "1 h 2 min", "1 d 1 h"]);
    }
}
