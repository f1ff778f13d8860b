//! Words that left the repository, and what is said instead.

use std::io;

use super::{code, files, is_word, none, sources};

/// This file spells out what it looks for.
const THIS: &str = "tests/tidy/words.rs";
/// Texts that are not ours to reword: copies of what was published, and word lists of languages.
const DATA: [&str; 2] = ["tests/data/", "agents/text-stats/data/"];

/// Names in code that a reader of other queues and hosts would have to learn.
const NAMES: [(&str, &str); 37] = [
    ("Desk", "TaskQueue"),
    ("Rota", "FairQueue"),
    ("SHARES", "WEIGHTS"),
    ("Crew", "AgentPool"),
    ("Book", "Registry"),
    ("Watch", "Telemetry"),
    ("Sheet", "Gauges"),
    ("InHand", "InFlight"),
    ("Alarm", "WakeTimer"),
    ("TakeBack", "CancelOnDrop"),
    ("Waiters", "ResultSubscribers"),
    ("Deaf", "NoopObserver"),
    ("Nobody", "NoopRunner"),
    ("Blueprint", "InstanceTemplate"),
    ("Rooms", "InstancePool"),
    ("TypeRoom", "TypeSlots"),
    ("Hush", "PauseGuard"),
    ("Quiet", "Drained"),
    ("Lane", "TrafficArm"),
    ("Lanes", "TrafficSplit"),
    ("Beside", "BackgroundTasks"),
    ("Promise", "Durability"),
    ("Notice", "AddressFile"),
    ("Reach", "NetworkAccess"),
    ("Driver", "CallContext"),
    ("Door", "Backend, Submitter, Listener"),
    ("put_down", "remove"),
    ("take_in_hand", "begin_task"),
    ("wanted_back", "cancelled"),
    ("tell_again", "notify_again"),
    ("untold", "unsent"),
    ("dismiss", "close"),
    ("hushed", "paused"),
    ("fall_quiet", "drain"),
    ("blueprint", "template"),
    ("lanes", "split"),
    ("CAPABILITY_LABEL", "ASKED_FOR_LABEL"),
];

/// Words and phrases in any text: comments, docs, messages, `--help`, names of tests.
const PROSE: [(&str, &str); 21] = [
    ("whoever", "name the subject: the client, the host, the agent, the operator"),
    ("whomever", "name the subject: the client, the host, the agent, the operator"),
    ("somebody", "name the subject: a client, a host, an operator"),
    ("nobody", "name the subject: no client, no task, no host; or `unknown`, `unused`"),
    ("everybody", "all clients, all types"),
    ("everyone", "all clients, all types"),
    ("is told", "name what happens: the host reports, logs, answers, refuses with"),
    ("are told", "name what happens: the host reports, logs, answers, refuses with"),
    ("told of", "reported, recorded, logged"),
    ("tell of", "report, describe, log"),
    ("tells of", "reports, describes, logs"),
    ("hear of", "get, receive, see"),
    ("hears of", "gets, receives, sees"),
    ("is said", "name the subject: the host says, the answer names"),
    ("are said", "name the subject: the host says, the answer names"),
    ("mean no good", "are hostile"),
    ("means no good", "is hostile"),
    ("at the door", "when it is submitted, when it is admitted"),
    ("see through", "drive"),
    ("sees through", "drives"),
    ("lest", "so that … not"),
];

#[test]
fn names_that_left_stay_out() -> io::Result<()> {
    let mut complaints = Vec::new();
    for source in sources()? {
        for (index, line) in code(&source.text).lines().enumerate() {
            let words: Vec<&str> = line.split(|c| !is_word(c)).collect();
            let left = NAMES.iter().filter(|(old, _)| words.contains(old));
            complaints.extend(
                left.map(|(old, new)| {
                    format!("{}:{}: `{old}`: say `{new}`", source.path, index + 1)
                }),
            );
        }
    }
    none(&complaints);
    Ok(())
}

#[test]
fn words_that_left_stay_out() -> io::Result<()> {
    let texts = files()?.into_iter().filter(|file| !file.is_in(&DATA) && file.path != THIS);
    let complaint = |path: &str, (line, (old, new)): (usize, (&str, &str))| {
        format!("{path}:{line}: \"{old}\": say it plainly ({new})")
    };
    let mut complaints = Vec::new();
    for file in texts {
        complaints.extend(left(&file.text).into_iter().map(|found| complaint(&file.path, found)));
    }
    none(&complaints);
    Ok(())
}

/// The entries of [`PROSE`] in a text, each with its line. A phrase may go on in the next
/// line, behind the sign of a comment, or be part of a name such as `is_told`.
fn left(text: &str) -> Vec<(usize, (&'static str, &'static str))> {
    let lower = text.to_lowercase();
    let words: Vec<(usize, &str)> = lower
        .lines()
        .enumerate()
        .flat_map(|(index, line)| {
            // The end of a sentence, and of a module's name, ends a phrase.
            let words = line.split_inclusive(['.', ':', ';', '!', '?']).flat_map(words_of);
            words.map(move |word| (index + 1, word))
        })
        .collect();
    let mut found = Vec::new();
    for entry in PROSE {
        let phrase: Vec<&str> = entry.0.split(' ').collect();
        let runs = words.windows(phrase.len());
        let hits = runs.filter(|run| run.iter().map(|(_, word)| word).eq(&phrase));
        found.extend(hits.filter_map(|run| run.first().map(|(line, _)| (*line, entry))));
    }
    found.sort_unstable();
    found
}

/// The words of a line's part, and an empty one if a sentence ends with it.
fn words_of(part: &str) -> impl Iterator<Item = &str> {
    let ends = part.ends_with(['.', ':', ';', '!', '?']);
    let words = part.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.chain(ends.then_some(""))
}

#[test]
fn words_that_left_are_found() {
    let found = |text: &str| left(text).iter().map(|(line, (old, _))| (*line, *old)).collect();
    let all: Vec<(usize, &str)> = found("a\n// Nobody's.\n/// It is\n/// told, fn are_told_of()");
    assert_eq!(all, [(2, "nobody"), (3, "is told"), (4, "are told"), (4, "told of")]);
    let none: Vec<(usize, &str)> =
        found("the body, it was told. Of it is; told::of(), toldof, least");
    assert_eq!(none, []);
}
