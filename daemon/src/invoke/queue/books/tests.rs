use super::*;

const LIMITS: Limits = Limits { all: 100, lane: 4 };

fn lane(name: &str) -> LaneName {
    name.into()
}

fn place(due: i64, id: &str) -> Place {
    Place { due, id: id.into() }
}

/// Gives out what may run now, as lane and id.
fn drain(books: &mut Books, now: i64) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while let Next::Run(lane, place) = books.next(now) {
        out.push((lane.to_string(), place.id.to_string()));
    }
    out
}

fn end(books: &mut Books, name: &str, place: &Place, now: i64) {
    books.ran(&lane(name), Ended::Well, now);
    books.gone(&lane(name), place, now);
}

#[test]
fn an_item_runs_when_it_is_due_and_not_before() {
    let mut books = Books::new(LIMITS);
    books.add(&lane("a/f"), place(10, "1"), 0);
    assert_eq!(books.next(0), Next::At(10));
    assert_eq!(books.next(10), Next::Run(lane("a/f"), place(10, "1")));
    assert_eq!(books.next(10), Next::Nothing);
    end(&mut books, "a/f", &place(10, "1"), 11);
    assert!(books.lanes.is_empty(), "nothing is kept of a lane that is through");
}

#[test]
fn one_functions_many_events_do_not_delay_anothers_first() {
    let mut books = Books::new(LIMITS);
    for number in 0..1_000 {
        books.add(&lane("a/busy"), place(0, &format!("{number:04}")), 0);
    }
    books.add(&lane("a/other"), place(0, "x"), 0);
    books.add(&lane("b/third"), place(0, "y"), 0);
    let lanes: HashSet<String> = drain(&mut books, 0).into_iter().map(|(lane, _)| lane).collect();
    assert_eq!(lanes.len(), 3);
}

#[test]
fn accounts_take_turns_however_many_functions_each_has() {
    let mut books = Books::new(Limits { all: 4, lane: 1 });
    for number in 0..100 {
        books.add(&lane(&format!("a/{number}")), place(0, "1"), 0);
    }
    for number in 0..2 {
        books.add(&lane(&format!("b/{number}")), place(0, "1"), 0);
    }
    let of_b = drain(&mut books, 0).iter().filter(|(lane, _)| lane.starts_with("b/")).count();
    assert_eq!(of_b, 2);
}

#[test]
fn a_lane_runs_one_and_one_more_whenever_its_first_item_has_waited_long() {
    let mut books = Books::new(LIMITS);
    for id in ["1", "2", "3", "4", "5", "6"] {
        books.add(&lane("a/f"), place(0, id), 0);
    }
    assert_eq!(drain(&mut books, 0).len(), 1);
    assert_eq!(books.next(1), Next::At(LATE));
    assert_eq!(drain(&mut books, LATE).len(), 1, "the second");
    assert_eq!(drain(&mut books, LATE + GROWS_EVERY - 1).len(), 0);
    assert_eq!(drain(&mut books, LATE + GROWS_EVERY).len(), 1, "the third");
    assert_eq!(drain(&mut books, 100_000).len(), 1, "the fourth, and that is the limit");
    assert_eq!(books.next(200_000), Next::Nothing);
    end(&mut books, "a/f", &place(0, "1"), 200_000);
    assert_eq!(drain(&mut books, 200_000).len(), 1);
}

#[test]
fn a_throttled_lane_pauses_twice_as_long_each_time_and_others_do_not() {
    let mut books = Books::new(LIMITS);
    let item = place(0, "1");
    books.add(&lane("a/f"), item.clone(), 0);
    let mut now = 0;
    for pause in [1_000, 2_000, 4_000] {
        assert!(matches!(books.next(now), Next::Run(..)));
        books.ran(&lane("a/f"), Ended::Throttled, now);
        books.put_back(&lane("a/f"), item.clone(), now);
        assert_eq!(books.next(now), Next::At(now + pause));
        now += pause;
    }
    assert!(matches!(books.next(now), Next::Run(..)));
    books.ran(&lane("a/f"), Ended::Throttled, now);
    books.put_back(&lane("a/f"), item, now);
    books.add(&lane("a/g"), place(now, "2"), now);
    assert_eq!(drain(&mut books, now), [("a/g".to_owned(), "2".to_owned())]);
    books.wake(&lane("a/f"), now);
    assert_eq!(drain(&mut books, now), [("a/f".to_owned(), "1".to_owned())]);
}

#[test]
fn what_is_in_hand_is_not_given_out_twice_and_can_not_be_withdrawn() {
    let mut books = Books::new(LIMITS);
    let item = place(0, "1");
    books.add(&lane("a/f"), item.clone(), 0);
    assert!(matches!(books.next(0), Next::Run(..)));
    books.add(&lane("a/f"), item.clone(), 0);
    assert_eq!(books.next(10_000), Next::Nothing);
    assert!(!books.withdraw(&lane("a/f"), &item, 0));
    books.ran(&lane("a/f"), Ended::Well, 0);
    assert!(!books.withdraw(&lane("a/f"), &item, 0), "its end is being written");
    books.gone(&lane("a/f"), &item, 0);
    books.add(&lane("a/f"), place(0, "2"), 0);
    assert!(books.withdraw(&lane("a/f"), &place(0, "2"), 0));
    // Found in the store once more, before it has left it.
    books.add_unread(&lane("a/f"), 0);
    assert!(matches!(books.next(0), Next::Fill(..)));
    books.fill(&lane("a/f"), vec![place(0, "2")], false, 0);
    assert_eq!(books.next(0), Next::Nothing, "it is in hand");
    books.gone(&lane("a/f"), &place(0, "2"), 0);
    assert!(books.lanes.is_empty());
}

/// A lane's items lie in a store that is read page by page: each runs exactly once, whatever comes and goes meanwhile.
#[test]
fn a_lane_that_is_longer_than_its_window_is_read_from_the_store() {
    let mut books = Books::new(LIMITS);
    let name = lane("a/f");
    let mut store: BTreeSet<Place> =
        (0..5 * WINDOW).map(|number| place(1, &format!("{number:06}"))).collect();
    books.add_unread(&name, 0);
    let (mut seen, mut added) = (HashSet::new(), 0);
    let mut now = 1;
    loop {
        match books.next(now) {
            Next::Run(_, item) => {
                assert!(seen.insert(item.clone()), "twice: {item:?}");
                books.ran(&name, Ended::Well, now);
                store.remove(&item);
                books.gone(&name, &item, now);
                if added < 500 && seen.len().is_multiple_of(3) {
                    added += 1;
                    let new = place(added % 3, &format!("new-{added}"));
                    store.insert(new.clone());
                    books.add(&name, new, now);
                }
            }
            Next::Fill(_, after) => {
                let page: Vec<Place> =
                    store.iter().filter(|item| **item > after).take(WINDOW).cloned().collect();
                let more = page.last().is_some_and(|last| store.iter().next_back() != Some(last));
                books.fill(&name, page, more, now);
            }
            Next::At(at) => now = at,
            Next::Nothing => break,
        }
    }
    assert_eq!(store.len(), 0);
    assert_eq!(seen.len(), 5 * WINDOW + 500);
}
