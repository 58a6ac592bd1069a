use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::commands::bench::{arguments::Arrivals, arrivals::Call};

/// A trace in a file of its own, all of which is played.
struct World {
    directory: TempDir,
    settings: TraceSettings,
}

impl World {
    fn of(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.csv");
        fs::write(&path, text).unwrap();
        let settings = TraceSettings {
            path,
            format: None,
            from: Duration::ZERO,
            length: None,
            speed: 1.0,
            map: None,
            arrivals: Arrivals::Constant,
        };
        Self { directory, settings }
    }

    fn with(mut self, change: impl FnOnce(&mut TraceSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn map(mut self, text: &str) -> Self {
        let path = self.directory.path().join("map.csv");
        fs::write(&path, text).unwrap();
        self.settings.map = Some(path);
        self
    }

    fn open(&self, names: &[&str]) -> Result<Trace, TraceError> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        open(&self.settings, &names, 1)
    }

    /// Milliseconds and functions of all calls.
    fn calls(&self, names: &[&str]) -> Vec<(u64, usize)> {
        let millis = |call: Call| u64::try_from(call.at.as_millis()).unwrap();
        self.open(names).unwrap().calls.map(|call| (millis(call), call.function)).collect()
    }

    fn error(&self) -> String {
        let file = self.settings.path.display().to_string();
        let map = self.directory.path().join("map.csv").display().to_string();
        self.open(&["a", "b"]).unwrap_err().to_string().replace(&file, "FILE").replace(&map, "MAP")
    }
}

const AZURE_2019: &str = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n\
    o,p,busy,http,2,0,4\n\
    o,p,rare,timer,1,0,0\n";

#[test]
fn calls_in_minutes_are_spread_over_them_and_none_is_lost() {
    let world = World::of(AZURE_2019);
    let calls = world.calls(&["a", "b"]);
    let moments: Vec<_> = calls.iter().map(|&(at, _)| at).collect();
    assert_eq!(moments, [10_000, 30_000, 50_000, 127_500, 142_500, 157_500, 172_500]);
    // The one with the most calls is the first function's.
    assert_eq!(calls.iter().filter(|&&(_, function)| function == 0).count(), 6);
    assert_eq!(calls.iter().filter(|&&(_, function)| function == 1).count(), 1);
    let found = world.open(&["a", "b"]).unwrap().found;
    assert_eq!((found.format, found.functions, found.calls), (Format::Azure2019, 2, 7));
}

#[test]
fn by_chance_calls_scatter_over_their_minute() {
    let text = "HashOwner,HashApp,HashFunction,Trigger,1,2\no,p,f,http,3000,0\no,p,g,http,0,10\n";
    let world = World::of(text).with(|settings| settings.arrivals = Arrivals::Poisson);
    let calls = world.calls(&["a"]);
    assert_eq!(calls.len(), 3010);
    assert!(calls.is_sorted());
    let first = calls.iter().filter(|&&(at, _)| at < 60_000).count();
    assert_eq!(first, 3000, "no call leaves its minute");
    let mean = calls.iter().take(first).map(|&(at, _)| at as f64).sum::<f64>() / first as f64;
    // The middle, within four times what 3,000 uniform moments scatter.
    assert!((mean - 30_000.0).abs() < 4.0 * 60_000.0 / 12_f64.sqrt() / 3000_f64.sqrt(), "{mean}");
    assert_eq!(calls, world.calls(&["a"]), "the same seed gives the same moments");
}

#[test]
fn calls_by_their_end_begin_by_their_duration_before_it() {
    let text = "app,func,end_timestamp,duration\n\
        p,f,100.5,0.25\n\
        p,f,130.0,29.9\n\
        q,f,101.0,0.0\n";
    let world = World::of(text);
    // 100.1, 100.25 and 101: the trace begins with the first. The f of another app is another function.
    assert_eq!(world.calls(&["a", "b"]), [(0, 0), (150, 0), (900, 1)]);
    assert_eq!(world.open(&["a"]).unwrap().found.format, Format::Azure2021);
}

#[test]
fn rows_of_all_functions_last_until_the_next() {
    let text = "day,time,28,33\n0,0,1.0,\n0,1,NaN,2.0\n0,5,1,0\n";
    let world = World::of(text);
    assert_eq!(world.calls(&["a", "b"]), [(500, 0), (1250, 1), (1750, 1), (5500, 0)]);
    let minutes = World::of("day,time,28\n0,60,2\n0,120,1\n");
    assert_eq!(minutes.calls(&["a"]), [(15_000, 0), (45_000, 0), (90_000, 0)]);
    assert_eq!(World::of("day,time,28\n0,60,1\n").calls(&["a"]), [(30_000, 0)], "a single one is a minute");
}

#[test]
fn a_plain_list_of_calls_is_sorted_and_may_have_dates_quotes_and_more_columns() {
    let text = "\u{feff}\"function\",\"Timestamp\",duration\r\n\
        f,2026-01-31T12:00:01.5Z,3\r\n\
        \"g\",2026-01-31T12:00:00+00:00,1\r\n\r\n\
        f,2026-01-31T13:00:02+01:00,1";
    assert_eq!(World::of(text).calls(&["a", "b"]), [(0, 1), (1500, 0), (2000, 0)]);
    assert_eq!(World::of("timestamp,function\n7,f\n5.25,f\n").calls(&["a"]), [(0, 0), (1750, 0)]);
}

#[test]
fn a_part_is_played_faster() {
    let text = "timestamp,function\n100,f\n160,f\n170,f\n190,f\n";
    let world = World::of(text).with(|settings| {
        settings.from = Duration::from_secs(60);
        settings.length = Some(Duration::from_secs(30));
        settings.speed = 10.0;
    });
    assert_eq!(world.calls(&["a"]), [(0, 0), (1000, 0)]);
    // Half of the first minute and half of the second.
    let world = World::of(AZURE_2019).with(|settings| {
        settings.from = Duration::from_secs(30);
        settings.length = Some(Duration::from_secs(100));
    });
    let moments: Vec<_> = world.calls(&["a"]).into_iter().map(|(at, _)| at).collect();
    assert_eq!(moments, [0, 20_000, 97_500]);
}

#[test]
fn functions_are_dealt_out_by_their_calls() {
    let text = "HashOwner,HashApp,HashFunction,Trigger,1\no,p,f1,x,1\no,p,f2,x,20\no,p,f3,x,5\no,p,f4,x,7\n";
    let mut counts = BTreeMap::new();
    for (_, function) in World::of(text).calls(&["a", "b", "c"]) {
        *counts.entry(function).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([(0, 21), (1, 7), (2, 5)]));
}

#[test]
fn a_map_says_which_stands_for_which_and_leaves_others_out() {
    let world = World::of(AZURE_2019).map("rare,b\nnot there,a\n");
    assert_eq!(world.calls(&["a", "b"]), [(30_000, 1)]);
    assert_eq!(world.open(&["a", "b"]).unwrap().found.left_out, 6);
}

#[test]
fn a_file_without_its_first_line_is_read_if_its_form_is_named() {
    let world = World::of("p,f,2.0,1.0\n").with(|settings| settings.format = Some(Format::Azure2021));
    assert_eq!(world.calls(&["a"]), [(0, 0)]);
    let world = World::of("o,p,f,http,1,1\n").with(|settings| settings.format = Some(Format::Azure2019));
    assert_eq!(world.calls(&["a"]).len(), 2);
}

#[test]
fn whatever_is_wrong_is_told_with_its_line() {
    let cases = [
        ("", "FILE: it is empty"),
        ("timestamp,function\n", "FILE: it has no calls"),
        ("when,who\n1,f\n", "FILE, line 1: `when,who` is the first line of no form of trace that is known"),
        ("timestamp,function\n1,f\nsoon,f\n", "FILE, line 3: `soon` is neither seconds nor a time"),
        ("timestamp,function\n\n1,f\n2\n", "FILE, line 4: it has no field number 2"),
        ("timestamp,function\n1,\n", "FILE, line 2: it names no function"),
        ("timestamp,function\n1e300,f\n", "FILE, line 2: `1e300` is no moment in seconds"),
        ("app,func,end_timestamp,duration\np,f,1,-1\n", "FILE, line 2: its duration is negative"),
        (
            "HashOwner,HashApp,HashFunction,Trigger,1\no,p,f,x,1\no,p,f,x,-1\n",
            "FILE, line 3: minute 1: `-1` is no number of calls",
        ),
        ("HashOwner,HashApp,HashFunction,Trigger,1\no,p,f,x\n", "FILE, line 2: it has no minutes"),
        ("day,time,1\n0,5,1\n0,4,1\n", "FILE, line 3: its time is not after that of the line before"),
        ("day,time,1\n0,0,1\n0,60,1\n0,61,1\n", "FILE, line 4: its time is less after the line before"),
    ];
    for (text, message) in cases {
        let error = World::of(text).error();
        assert!(error.starts_with(message), "{text:?}: {error}");
    }
    let error = World::of(b"timestamp,function\n1,\xff\n").error();
    assert!(error.starts_with("FILE, line 2: it is not UTF-8"), "{error}");
    let endless = World::of([b"timestamp,".to_vec(), vec![b'x'; 3 << 20]].concat());
    assert!(endless.error().starts_with("FILE, line 1: it is longer than"), "{}", endless.error());
}

#[test]
fn a_bad_map_is_told_with_its_line() {
    let cases = [
        ("busy\n", "MAP, line 1: it should be `function of the trace,function`"),
        ("busy,a\nrare,z\n", "MAP, line 2: `z` is not among the functions that are called"),
        ("busy,a\nbusy,b\n", "MAP, line 2: `busy` has a function already"),
        ("nobody,a\n", "FILE: none of the calls in this part is of a function that --trace-map names"),
    ];
    for (map, message) in cases {
        let error = World::of(AZURE_2019).map(map).error();
        assert!(error.starts_with(message), "{map:?}: {error}");
    }
}

#[test]
fn a_file_that_is_not_there_and_a_part_without_calls_are_told() {
    let missing = World::of("").with(|settings| settings.path = Path::new("/nowhere.csv").to_owned());
    assert!(missing.error().starts_with("FILE: No such file"), "{}", missing.error());
    let late = World::of(AZURE_2019).with(|settings| settings.from = Duration::from_secs(3600));
    assert!(
        late.error().starts_with("FILE: no call in this part of it: the trace is 3m long"),
        "{}",
        late.error()
    );
}

proptest! {
    #[test]
    fn every_call_that_is_counted_is_played_within_its_minute(
        rows in prop::collection::vec(prop::collection::vec(0_u64..20, 1..6), 1..6),
        names in 1_usize..4,
        by_chance: bool,
        seed: u64,
    ) {
        let width = rows.iter().map(Vec::len).max().unwrap();
        let header: Vec<_> = (1..=width).map(|minute| minute.to_string()).collect();
        let mut text = format!("HashOwner,HashApp,HashFunction,Trigger,{}\n", header.join(","));
        let mut expected = vec![0; width];
        for (at, row) in rows.iter().enumerate() {
            let counts: Vec<_> = row.iter().map(u64::to_string).collect();
            text.push_str(&format!("o,p,f{at},http,{}\n", counts.join(",")));
            row.iter().zip(&mut expected).for_each(|(count, sum)| *sum += count);
        }
        let arrivals = if by_chance { Arrivals::Poisson } else { Arrivals::Constant };
        let world = World::of(text).with(|settings| settings.arrivals = arrivals);
        let names: Vec<_> = ["a", "b", "c"].iter().take(names).map(|name| (*name).to_owned()).collect();
        let Ok(trace) = open(&world.settings, &names, seed) else {
            prop_assert_eq!(expected.iter().sum::<u64>(), 0);
            return Ok(());
        };
        let calls: Vec<_> = trace.calls.collect();
        prop_assert!(calls.is_sorted_by_key(|call| call.at));
        prop_assert!(calls.iter().all(|call| call.function < names.len()));
        let mut minutes = vec![0; width];
        for call in calls {
            minutes[usize::try_from(call.at.as_secs() / 60).unwrap()] += 1;
        }
        prop_assert_eq!(minutes, expected);
    }

    #[test]
    fn no_bytes_break_the_reader(
        header in prop::sample::select(vec![
            "", "HashOwner,HashApp,HashFunction,Trigger,1,2\n", "app,func,end_timestamp,duration\n", "day,time,0,1\n",
            "timestamp,function\n",
        ]),
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "([a-z0-9.,:TZ+\"-]{0,20}\n){0,8}".prop_map(String::into_bytes),
            "(-?[0-9]{1,12}(e[0-9])?,){0,6}\n{0,4}".prop_map(String::into_bytes),
        ],
        from in 0_u64..1 << 40,
    ) {
        let world = World::of([header.as_bytes(), &bytes].concat())
            .with(|settings| settings.from = Duration::from_secs(from));
        let names = ["a".to_owned()];
        for settings in [&world.settings, &TraceSettings { from: Duration::ZERO, path: world.settings.path.clone(), ..ALL }] {
            if let Ok(trace) = open(settings, &names, 1) {
                prop_assert!(trace.calls.take(1000).all(|call| call.function == 0));
            }
        }
    }
}

const ALL: TraceSettings = TraceSettings {
    path: PathBuf::new(),
    format: None,
    from: Duration::ZERO,
    length: None,
    speed: 0.001,
    map: None,
    arrivals: Arrivals::Poisson,
};
