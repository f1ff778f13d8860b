//! The machine against a table of its edges and against its own history.
//!
//! The model keeps no counts: it keeps the edges that were taken and derives
//! from them what the counts must be.

use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const ME: Owner = Owner(Uuid::from_u128(1));
/// Small, so that random sequences reach them.
const BOUNDS: Bounds = Bounds { crashes: 3, lost_claims: 4 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Claim,
    ClaimStarted,
    Start,
    Extend,
    Finish,
    Retry,
    RetryHost,
    GiveBack,
    DeadLetter,
    StopCancelled,
    Cancel,
    Promote,
    Expire,
    Lose,
    Requeue,
}

/// Where each edge leads from each state, in the order of [`TaskState::ALL`].
/// By initial, cancelled being `x`; `.` is no edge.
const TABLE: [(Edge, &str); 15] = [
    (Edge::Claim, "c......"),
    (Edge::ClaimStarted, "r......"),
    (Edge::Start, "..r...."),
    (Edge::Extend, "..cr..."),
    (Edge::Finish, "..ss..."),
    (Edge::Retry, "..dd..."),
    (Edge::RetryHost, "..dd..."),
    (Edge::GiveBack, "..ww..."),
    (Edge::DeadLetter, "..DD..."),
    (Edge::StopCancelled, "..xx..."),
    (Edge::Cancel, "xxcr..."),
    (Edge::Promote, ".w....."),
    (Edge::Expire, "DD....."),
    (Edge::Lose, "..ww..."),
    (Edge::Requeue, ".....w."),
];

/// Edges that only the holder of the lease can take.
const FENCED: [Edge; 8] = [
    Edge::Start,
    Edge::Extend,
    Edge::Finish,
    Edge::Retry,
    Edge::RetryHost,
    Edge::GiveBack,
    Edge::DeadLetter,
    Edge::StopCancelled,
];

/// Edges that end or interrupt a run without an end of its own.
const INTERRUPTS: [Edge; 5] =
    [Edge::Retry, Edge::RetryHost, Edge::GiveBack, Edge::StopCancelled, Edge::Lose];

fn in_table(edge: Edge, from: TaskState) -> Option<TaskState> {
    let (_, row) = TABLE.into_iter().find(|(its, _)| *its == edge).unwrap();
    let column = TaskState::ALL.into_iter().position(|state| state == from).unwrap();
    match row.as_bytes()[column] {
        b'w' => Some(TaskState::Waiting),
        b'd' => Some(TaskState::Delayed),
        b'c' => Some(TaskState::Claimed),
        b'r' => Some(TaskState::Running),
        b's' => Some(TaskState::Succeeded),
        b'D' => Some(TaskState::Dead),
        b'x' => Some(TaskState::Cancelled),
        _ => None,
    }
}

/// What is given back has waited since then.
const SUBMITTED: Timestamp = Timestamp(7);

/// How long leases and waits for a retry last.
fn later(now: Timestamp) -> Timestamp {
    Timestamp(now.0 + 50)
}

fn take(
    task: Progress,
    edge: Edge,
    fence: u64,
    now: Timestamp,
) -> Result<Progress, TransitionError> {
    let later = later(now);
    match edge {
        Edge::Claim => task.claim(ME, later, false),
        Edge::ClaimStarted => task.claim(ME, later, true),
        Edge::Start => task.start(fence),
        Edge::Extend => task.extend(fence, later),
        Edge::Finish => task.finish(fence, now),
        Edge::Retry => task.retry(fence, later, now),
        Edge::RetryHost => task.retry_host(fence, later, now),
        Edge::GiveBack => task.give_back(fence, SUBMITTED, now),
        Edge::DeadLetter => task.dead_letter(fence, now),
        Edge::StopCancelled => task.stop_cancelled(fence, now),
        Edge::Cancel => task.cancel(now),
        Edge::Promote => task.promote(now),
        Edge::Expire => task.expire(now),
        Edge::Lose => task.lose(now, BOUNDS).map(|(task, _)| task),
        Edge::Requeue => task.requeue(now),
    }
}

/// A task in `state` in the middle of its life.
fn in_state(state: TaskState) -> Progress {
    let owner = state.is_leased().then_some(ME);
    let first = Progress::submitted(NOW, None, 5);
    Progress { state, owner, fence: 7, attempts: 2, ..first }
}

/// No edge of a task's life: what is stored of it cannot be read.
#[test]
fn whatever_cannot_be_read_is_dead_and_without_an_owner() {
    for from in TaskState::ALL {
        let was = in_state(from);
        let condemned = was.condemn(NOW);
        if from == TaskState::Dead {
            assert_eq!(condemned, Err(TransitionError::State(from)));
            continue;
        }
        let is = condemned.unwrap();
        assert_eq!((is.state, is.owner, is.fence), (TaskState::Dead, None, was.fence), "{from}");
        assert!(is.finish(was.fence, NOW).is_err(), "{from}");
        assert_eq!(is.requeue(NOW).unwrap().state, TaskState::Waiting, "{from}");
    }
}

#[test]
fn every_edge_leads_where_the_table_says() {
    for (edge, _) in TABLE {
        for from in TaskState::ALL {
            let was = in_state(from);
            match (take(was, edge, was.fence, NOW), in_table(edge, from)) {
                (Ok(is), Some(to)) => {
                    assert_eq!(is.state, to, "{edge:?} from {from}");
                    assert_eq!(is.owner.is_some(), to.is_leased(), "{edge:?} from {from}");
                }
                (Err(refused), None) => {
                    assert_eq!(refused, TransitionError::State(from), "{edge:?}")
                }
                (answer, to) => panic!("{edge:?} from {from}: {answer:?}, not {to:?}"),
            }
        }
    }
}

#[test]
fn another_fence_is_refused_and_names_both() {
    for edge in FENCED {
        for from in [TaskState::Claimed, TaskState::Running] {
            let was = in_state(from);
            for offered in [0, was.fence - 1, was.fence + 1, u64::MAX] {
                let refused = TransitionError::Fence { offered, current: was.fence };
                assert_eq!(take(was, edge, offered, NOW), Err(refused), "{edge:?} from {from}");
            }
        }
    }
}

#[test]
fn a_task_set_for_later_waits_when_its_time_has_come() {
    let due = Timestamp(NOW.0 + 5);
    let task = Progress::submitted(NOW, Some(due), 3);
    assert_eq!((task.state, task.at), (TaskState::Delayed, due));
    assert_eq!(task.promote(Timestamp(due.0 - 1)), Err(TransitionError::State(TaskState::Delayed)));
    assert_eq!(task.promote(due).unwrap().state, TaskState::Waiting);

    let over = Progress::submitted(NOW, Some(NOW), 3);
    assert_eq!((over.state, over.at), (TaskState::Waiting, NOW), "due at once");
}

#[test]
fn a_task_has_one_attempt_at_least() {
    assert_eq!(Progress::submitted(NOW, None, 0).max_attempts, 1);
}

#[test]
fn a_task_taken_back_while_leased_ends_cancelled_unless_its_end_came_first() {
    for from in [TaskState::Claimed, TaskState::Running] {
        let asked = in_state(from).cancel(NOW).unwrap();
        assert_eq!((asked.state, asked.cancel_requested), (from, true));
        for edge in INTERRUPTS {
            let is = take(asked, edge, asked.fence, NOW).unwrap();
            assert_eq!(is.state, TaskState::Cancelled, "{edge:?} from {from}");
            assert!(!is.cancel_requested, "the wish is granted");
        }
        for (edge, end) in
            [(Edge::Finish, TaskState::Succeeded), (Edge::DeadLetter, TaskState::Dead)]
        {
            assert_eq!(take(asked, edge, asked.fence, NOW).unwrap().state, end);
        }
        let extended = asked.extend(asked.fence, NOW).unwrap();
        assert!(extended.cancel_requested, "a heartbeat does not forget it");
    }
}

#[test]
fn a_run_lost_three_times_is_dead_and_a_claim_lost_ten_times() {
    let bounds = Bounds::default();
    let mut runs = Vec::new();
    let mut task = Progress::submitted(NOW, None, 100);
    while task.state == TaskState::Waiting {
        let (lost, loss) = task.claim(ME, NOW, true).unwrap().lose(NOW, bounds).unwrap();
        runs.push(loss);
        task = lost;
    }
    assert_eq!(runs, [Loss::Again, Loss::Again, Loss::Dead]);
    assert_eq!((task.state, task.crashes, task.attempts), (TaskState::Dead, 3, 3));

    let mut claims = Vec::new();
    let mut task = Progress::submitted(NOW, None, 1);
    while task.state == TaskState::Waiting {
        let (lost, loss) = task.claim(ME, NOW, false).unwrap().lose(NOW, bounds).unwrap();
        claims.push(loss);
        task = lost;
    }
    assert_eq!(claims, [[Loss::GivenBack; 9].as_slice(), &[Loss::Dead]].concat());
    assert_eq!((task.lost_claims, task.attempts), (10, 0), "none of them was an attempt");
}

#[test]
fn a_run_lost_in_its_last_attempt_is_dead() {
    let task = Progress::submitted(NOW, None, 2);
    let (task, loss) = task.claim(ME, NOW, true).unwrap().lose(NOW, BOUNDS).unwrap();
    assert_eq!(loss, Loss::Again);
    let (task, loss) = task.claim(ME, NOW, true).unwrap().lose(NOW, BOUNDS).unwrap();
    assert_eq!((task.state, task.crashes, loss), (TaskState::Dead, 2, Loss::Dead));
}

#[test]
fn what_is_not_the_agents_fault_takes_no_attempt() {
    let claimed = in_state(TaskState::Waiting).claim(ME, NOW, true).unwrap();
    let given_back = claimed.give_back(claimed.fence, NOW, NOW).unwrap();
    assert_eq!((claimed.attempts, given_back.attempts), (3, 2));
    let retried = claimed.retry_host(claimed.fence, NOW, NOW).unwrap();
    assert_eq!((retried.attempts, retried.host_faults), (2, 1));
    let retried = claimed.retry(claimed.fence, NOW, NOW).unwrap();
    assert_eq!((retried.attempts, retried.host_faults), (3, 0));
}

#[test]
fn a_new_life_begins_at_zero_and_the_old_one_cannot_speak_for_it() {
    let former = Progress {
        crashes: 2,
        lost_claims: 3,
        host_faults: 4,
        cancel_requested: true,
        ..in_state(TaskState::Running)
    };
    let dead = former.dead_letter(former.fence, NOW).unwrap();
    let later = Timestamp(NOW.0 + 1);
    let anew = dead.requeue(later).unwrap();
    let expected = Progress { fence: former.fence, ..Progress::submitted(later, None, 5) };
    assert_eq!(anew, expected);
    let claimed = anew.claim(ME, NOW, true).unwrap();
    assert!(claimed.finish(former.fence, NOW).is_err());
}

// === A history

/// Which fence a caller names.
#[derive(Clone, Copy, Debug)]
enum Named {
    Current,
    /// One that was drawn before, or none was.
    Former(Index),
    Future(u64),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    edge: Edge,
    named: Named,
    passes_ms: u64,
}

fn any_step() -> impl Strategy<Value = Step> {
    let named = prop_oneof![
        6 => Just(Named::Current),
        2 => any::<Index>().prop_map(Named::Former),
        1 => (1..u64::MAX / 2).prop_map(Named::Future),
    ];
    // Ends from which there is no way back are rare, so that lives are long.
    let edge = prop_oneof![
        36 => proptest::sample::select(vec![Edge::Claim, Edge::ClaimStarted, Edge::Promote]),
        24 => proptest::sample::select(vec![Edge::Start, Edge::Extend, Edge::Requeue]),
        24 => proptest::sample::select(vec![
            Edge::Retry, Edge::RetryHost, Edge::GiveBack, Edge::Lose, Edge::Lose,
        ]),
        6 => proptest::sample::select(vec![Edge::DeadLetter, Edge::Expire]),
        1 => proptest::sample::select(vec![Edge::Finish, Edge::StopCancelled, Edge::Cancel]),
    ];
    (edge, named, 0_u64..100).prop_map(|(edge, named, passes_ms)| Step { edge, named, passes_ms })
}

/// What was done, from which all counts follow.
struct History {
    max_attempts: usize,
    taken: Vec<(Edge, TaskState)>,
}

impl History {
    fn count(&self, wanted: impl Fn(Edge, TaskState) -> bool) -> usize {
        self.taken.iter().filter(|(edge, from)| wanted(*edge, *from)).count()
    }

    /// The same since the task was put back the last time.
    fn count_of_life(&self, wanted: impl Fn(Edge, TaskState) -> bool) -> usize {
        let mut lives = self.taken.rsplit(|(edge, _)| *edge == Edge::Requeue);
        let life = lives.next().unwrap_or_default();
        life.iter().filter(|(edge, from)| wanted(*edge, *from)).count()
    }

    fn claims(&self) -> usize {
        self.count_of_life(|edge, _| matches!(edge, Edge::Claim | Edge::ClaimStarted))
    }

    fn crashes(&self) -> usize {
        self.count_of_life(|edge, from| edge == Edge::Lose && from == TaskState::Running)
    }

    fn lost_claims(&self) -> usize {
        self.count_of_life(|edge, from| edge == Edge::Lose && from == TaskState::Claimed)
    }

    fn host_faults(&self) -> usize {
        self.count_of_life(|edge, _| edge == Edge::RetryHost)
    }

    /// Claims, less those that ended through no fault of the task. Giving back
    /// a task that is to be cancelled ends it, and what its end counts is never
    /// read.
    fn attempts(&self) -> usize {
        let given_back = self.count_of_life(|edge, _| edge == Edge::GiveBack);
        self.claims() - given_back - self.host_faults() - self.lost_claims()
    }

    fn is_spent(&self) -> bool {
        self.crashes() >= BOUNDS.crashes as usize
            || self.lost_claims() >= BOUNDS.lost_claims as usize
            || self.attempts() >= self.max_attempts
    }

    fn expected_state(&self, edge: Edge, from: TaskState, asked: bool) -> Option<TaskState> {
        let to = in_table(edge, from)?;
        Some(match edge {
            edge if asked && INTERRUPTS.contains(&edge) => TaskState::Cancelled,
            Edge::Lose if self.is_spent() => TaskState::Dead,
            _ => to,
        })
    }
}

/// When the state ends by itself, or began.
fn expected_at(edge: Edge, was: Timestamp, is: TaskState, now: Timestamp) -> Timestamp {
    match edge {
        Edge::Claim | Edge::ClaimStarted | Edge::Extend => later(now),
        Edge::Retry | Edge::RetryHost if is == TaskState::Delayed => later(now),
        Edge::Start | Edge::Cancel if is.is_leased() => was,
        Edge::GiveBack if is == TaskState::Waiting => SUBMITTED,
        _ => now,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_life_keeps_its_rules(
        max_attempts in 1_u32..6,
        delay_ms in proptest::option::of(0_u64..50),
        steps in proptest::collection::vec(any_step(), 200..500),
    ) {
        let mut now = NOW;
        let not_before = delay_ms.map(|ms| Timestamp(NOW.0 + ms));
        let mut task = Progress::submitted(now, not_before, max_attempts);
        let mut history = History { max_attempts: max_attempts as usize, taken: Vec::new() };
        let mut fences = vec![0];
        for Step { edge, named, passes_ms } in steps {
            now = Timestamp(now.0 + passes_ms);
            let fence = match named {
                Named::Current => task.fence,
                Named::Former(index) => *index.get(&fences),
                Named::Future(by) => task.fence + by,
            };
            // As `settle` does: no retry after the last attempt.
            let spent = task.attempts >= task.max_attempts;
            let edge = if edge == Edge::Retry && spent { Edge::DeadLetter } else { edge };

            let was = task;
            let answer = take(was, edge, fence, now);
            let stale = FENCED.contains(&edge) && fence != was.fence;
            let early = edge == Edge::Promote && was.at > now;
            let exists = in_table(edge, was.state).is_some() && !stale && !early;
            prop_assert_eq!(answer.is_ok(), exists, "{:?} of {:?}", edge, was);
            let Ok(is) = answer else { continue };
            task = is;

            let asked = was.cancel_requested;
            history.taken.push((edge, was.state));
            let expected = history.expected_state(edge, was.state, asked);
            prop_assert_eq!(Some(is.state), expected, "{:?} of {:?}", edge, was);

            // An ended task changes only by being put back.
            prop_assert!(!was.state.has_ended() || edge == Edge::Requeue);
            prop_assert_eq!(is.owner.is_some(), is.state.is_leased());
            prop_assert_eq!(is.at, expected_at(edge, was.at, is.state, now));
            prop_assert!(!is.cancel_requested || is.state.is_leased());

            // A claim draws a fence that was never drawn; nothing else touches it.
            let claims = matches!(edge, Edge::Claim | Edge::ClaimStarted);
            prop_assert_eq!(is.fence, was.fence + u64::from(claims));
            if claims {
                prop_assert!(fences.iter().all(|former| *former < is.fence));
                fences.push(is.fence);
            }

            let cancelled_back = asked && edge == Edge::GiveBack;
            prop_assert_eq!(is.crashes as usize, history.crashes());
            prop_assert_eq!(is.lost_claims as usize, history.lost_claims());
            prop_assert_eq!(is.host_faults as usize, history.host_faults());
            prop_assert!(cancelled_back || is.attempts as usize == history.attempts());
            prop_assert!(is.attempts <= is.max_attempts);
            prop_assert!(is.crashes <= BOUNDS.crashes && is.lost_claims <= BOUNDS.lost_claims);

            let finishes = history.count_of_life(|edge, _| edge == Edge::Finish);
            let lives = history.count(|edge, _| edge == Edge::Requeue) + 1;
            prop_assert!(finishes <= 1, "two accepted ends in one life");
            prop_assert!(history.count(|edge, _| edge == Edge::Finish) <= lives);
        }
    }

    /// A former holder, whatever it says and however often, changes nothing.
    #[test]
    fn a_stale_word_changes_nothing(
        edges in proptest::collection::vec(proptest::sample::select(FENCED.to_vec()), 1..100),
        fence: u64,
        state in proptest::sample::select(TaskState::ALL.to_vec()),
    ) {
        let task = in_state(state);
        let stale = !state.is_leased() || fence != task.fence;
        prop_assume!(stale);
        for edge in edges {
            prop_assert!(take(task, edge, fence, NOW).is_err());
        }
    }
}
