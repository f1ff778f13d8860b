//! What a listener that reconnects receives, and what is kept for it.

use super::*;

fn tell(events: &Events, times: usize) {
    (0..times).for_each(|_| events.tell(|| EventKind::HostEnded {}));
}

fn numbers(following: &Following) -> Vec<u64> {
    following.recent.iter().map(|event| event.sequence).collect()
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_hears_what_it_missed() {
    let events = Events::default();
    tell(&events, 3);
    let first = events.follow(None);
    assert_eq!((first.missed, numbers(&first)), (Missed::Nothing, vec![]));
    let place = first.now;
    drop(first);
    tokio::time::advance(KEPT_FOR / 2).await;
    tell(&events, 2);
    let back = events.follow(Some(place));
    assert_eq!((back.missed, numbers(&back)), (Missed::Nothing, vec![4, 5]));
    tell(&events, 1);
    let mut live = back.live;
    assert_eq!(live.recv().await.unwrap().sequence, 6, "no event twice and none left out");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_no_longer_is_counted() {
    let events = Events::default();
    let place = events.follow(None).now;
    tell(&events, BACKLOG + 7);
    let back = events.follow(Some(place));
    assert_eq!((back.missed, back.recent.len()), (Missed::Events(7), BACKLOG));
    drop(back);

    // After a while no event is built, and all are counted.
    tokio::time::advance(KEPT_FOR).await;
    events.tell(|| unreachable!("no client follows"));
    assert!(!events.are_wanted());
    let back = events.follow(Some(place));
    assert_eq!((back.missed, back.recent.len()), (Missed::Events(BACKLOG as u64 + 8), 0));
    // A gap inside what is kept is counted too.
    tell(&events, 1);
    assert_eq!(events.follow(Some(place)).missed, Missed::Events(BACKLOG as u64 + 8));
}

#[test]
fn a_place_is_read_as_it_is_written_and_others_are_of_another_start() {
    let (events, other) = (Events::default(), Events::default());
    tell(&events, 1);
    let now = events.follow(None).now;
    for place in [now, Position { is_last: true, ..now }] {
        assert_eq!(Position::read(&place.to_string()), place);
        assert_eq!(events.follow(Some(place)).missed, Missed::Nothing);
        assert_eq!(other.follow(Some(place)).missed, Missed::Unknown);
    }
    let future = Position { sequence: 2, ..now };
    for wrong in [future, Position::read("17"), Position::read("é-1"), Position::read("1-x-end")] {
        assert_eq!(events.follow(Some(wrong)).missed, Missed::Unknown, "{wrong:?}");
    }
    assert!(!Position::read("x-end").is_last);
}

#[test]
fn a_listener_that_does_not_come_back_has_nothing_kept() {
    let events = Events::default();
    let listener = events.listen();
    tell(&events, 1);
    drop(listener);
    assert!(!events.are_wanted());
    let begin = Position { sequence: 0, ..events.follow(None).now };
    assert_eq!(events.follow(Some(begin)).missed, Missed::Events(1));
}
