//! `chimera top`: a live view of a host, from its HTTP API.

mod draw;
mod view;

use std::io::IsTerminal;
use std::time::Duration;

use chimera_layer4_api::Client;
use chimera_layer4_core::FabricConfig;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use self::view::View;
use super::args::TopArgs;
use super::client;
use super::exit::{BadInput, Exit};
use super::output::Output;

/// Often enough to see a change, seldom enough to cost nothing.
const EVERY: Duration = Duration::from_secs(1);
/// How long a look for a key may take.
const KEY: Duration = Duration::from_millis(100);
/// What `--once` draws on.
const WIDTH: u16 = 160;
const HEIGHT: u16 = 40;

/// Shows the host of the data folder until `q` is pressed, or once.
pub(super) async fn run(
    config: &FabricConfig,
    args: &TopArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let client = client::required(config).await?;
    let first = View::of(&client, None).await?;
    if args.once {
        output.line(&text(&first)?)?;
        return Ok(Exit::Success);
    }
    if !std::io::stdout().is_terminal() {
        let message = "standard output is no terminal; `chimera top --once` prints one view";
        return Err(BadInput(message.into()).into());
    }
    let mut terminal = ratatui::try_init()?;
    let shown = show(&client, first, &mut terminal).await;
    let restored = ratatui::try_restore();
    shown?;
    restored?;
    Ok(Exit::Success)
}

async fn show(
    client: &Client,
    mut view: View,
    terminal: &mut ratatui::DefaultTerminal,
) -> anyhow::Result<()> {
    let mut keys = keys();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        terminal.draw(|frame| draw::draw(frame, &view))?;
        tokio::select! {
            key = keys.recv() => match key {
                Some(key) if ends(key) => return Ok(()),
                // Another key, or a window of another size: drawn anew.
                Some(_) => {}
                None => return Ok(()),
            },
            _ = tick.tick() => view = View::of(client, Some(&view)).await?,
        }
    }
}

/// The keys that are pressed, read on a thread of their own until the receiver
/// is dropped.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (tell, keys) = mpsc::channel(16);
    tokio::task::spawn_blocking(move || {
        while !tell.is_closed() {
            match event::poll(KEY).and_then(|there| there.then(event::read).transpose()) {
                Ok(Some(Event::Key(key))) => drop(tell.blocking_send(key)),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    keys
}

fn ends(key: KeyEvent) -> bool {
    let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
    interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// One view as lines of text.
fn text(view: &View) -> anyhow::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(WIDTH, HEIGHT))?;
    terminal.draw(|frame| draw::draw(frame, view))?;
    let buffer = terminal.backend().buffer();
    let row = |row: &[ratatui::buffer::Cell]| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = buffer.content().chunks(usize::from(WIDTH)).map(row).collect();
    Ok(lines.join("\n").trim_end().to_owned())
}
