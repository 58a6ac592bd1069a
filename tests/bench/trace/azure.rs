//! A day of Azure's trace of 2019: for each function how often it was called in each minute. Some functions of it are drawn,
//! as there are tens of thousands.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use super::{Call, FUNCTIONS, Trace};

/// Functions that are called more often than this, on an average of the hours, are left out: one machine could not serve
/// them at many times their speed, and they are never cold under any policy.
const MOST_A_MINUTE: u64 = 2;

/// Whose calls come at the same second of a minute each time.
const TIMER: &str = "timer";

/// Its calls in each minute.
#[derive(Clone, Debug)]
struct Function {
    is_timer: bool,
    minutes: Vec<u64>,
}

/// Draws functions of a file by chance and places their calls within their minutes: those of timers alike in each, others by
/// chance.
///
/// # Errors
/// If it can't be read or is no such trace, or has no call in these hours.
pub(super) fn read(path: &Path, hours: u32, seed: u64) -> anyhow::Result<Trace> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| name.clone())?;
    let mut random = fastrand::Rng::with_seed(seed);
    let drawn = draw(BufReader::new(file), hours, &mut random).with_context(|| name.clone())?;
    let mut calls: Vec<_> = drawn
        .functions
        .iter()
        .enumerate()
        .flat_map(|(at, function)| place(at, function, &mut random))
        .collect();
    calls.sort_unstable();
    let origin = format!(
        "Azure's trace of 2019, {name}: {} functions drawn (seed {seed}) of the {} that are called in these hours, {MOST_A_MINUTE} \
         times a minute at the most; {} that are called more often are left out",
        drawn.functions.len(),
        drawn.seen,
        drawn.busy
    );
    Ok(Trace { calls, functions: drawn.functions.len(), origin })
}

#[derive(Debug, Default)]
struct Drawn {
    functions: Vec<Function>,
    /// How many they were drawn from.
    seen: usize,
    /// How many are called too often.
    busy: usize,
}

/// Each is as likely as any other, and the file is read once.
fn draw(file: impl BufRead, hours: u32, random: &mut fastrand::Rng) -> anyhow::Result<Drawn> {
    let minutes = hours as usize * 60;
    let mut drawn = Drawn::default();
    let mut lines = file.lines();
    let header = lines.next().context("it is empty")??;
    ensure!(
        header.starts_with("HashOwner,HashApp,HashFunction,Trigger,1,"),
        "it does not begin with HashOwner,HashApp,HashFunction,Trigger,1,2,...: no day of Azure's trace of 2019"
    );
    for (number, line) in lines.enumerate() {
        let function = parse(&line?, minutes).with_context(|| format!("line {}", number + 2))?;
        let calls: u64 = function.minutes.iter().sum();
        if calls > MOST_A_MINUTE * minutes as u64 {
            drawn.busy += 1;
        } else if calls > 0 {
            drawn.seen += 1;
            if drawn.functions.len() < FUNCTIONS {
                drawn.functions.push(function);
            } else if let Some(place) = drawn.functions.get_mut(random.usize(0..drawn.seen)) {
                *place = function;
            }
        }
    }
    ensure!(drawn.seen > 0, "no function of it is called in the first {hours} hours, or each too often");
    Ok(drawn)
}

fn parse(line: &str, minutes: usize) -> anyhow::Result<Function> {
    let mut fields = line.trim_end().split(',');
    let (Some(_), Some(_), Some(_), Some(trigger)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        bail!("it should begin with owner, app, function and trigger");
    };
    let counts = fields.take(minutes).map(|field| {
        // What no machine could be asked for is a defect of the file.
        let count = field.parse().ok().filter(|count| *count < 1_000_000_000);
        count.with_context(|| format!("`{field:.40}` is no number of calls"))
    });
    let minutes: Vec<u64> = counts.collect::<anyhow::Result<_>>()?;
    ensure!(!minutes.is_empty(), "it has no minutes");
    Ok(Function { is_timer: trigger == TIMER, minutes })
}

fn place(at: usize, function: &Function, random: &mut fastrand::Rng) -> Vec<Call> {
    let offset = random.f64();
    let mut calls = Vec::new();
    for (minute, &count) in function.minutes.iter().enumerate() {
        for turn in 0..count {
            let part = if function.is_timer { (offset + turn as f64) / count as f64 } else { random.f64() };
            // Within a day.
            calls.push(Call { at: Duration::from_secs_f64((minute as f64 + part) * 60.0), function: at });
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, hours: u32) -> anyhow::Result<Drawn> {
        draw(text.as_bytes(), hours, &mut fastrand::Rng::with_seed(1))
    }

    fn file(rows: &[&str]) -> String {
        let row = |at, row: &&str| format!("o,p,f{at},{row}\n");
        let rows: String = rows.iter().enumerate().map(|(at, it)| row(at, it)).collect();
        format!("HashOwner,HashApp,HashFunction,Trigger,1,2,3\n{rows}")
    }

    #[test]
    fn every_call_is_in_its_minute_and_a_timers_at_the_same_second() {
        let drawn = drawn(&file(&["timer,1,0,1", "http,2,0,3"]), 1).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let calls: Vec<_> =
            drawn.functions.iter().enumerate().map(|(at, it)| place(at, it, &mut random)).collect();
        let minutes = |calls: &[Call]| calls.iter().map(|call| call.at.as_secs() / 60).collect::<Vec<_>>();
        assert_eq!(minutes(&calls[0]), [0, 2]);
        assert_eq!(minutes(&calls[1]), [0, 0, 2, 2, 2]);
        let gap = calls[0][1].at - calls[0][0].at;
        assert!((gap.as_secs_f64() - 120.0).abs() < 1e-6, "{gap:?}");
    }

    #[test]
    fn the_silent_and_the_busiest_are_left_out_and_others_drawn() {
        let row = format!("http,{}", vec!["9"; 60].join(","));
        let mut rows = vec!["http,0,0,0", row.as_str()];
        rows.extend(["http,0,1,0"; 3 * FUNCTIONS]);
        let drawn = drawn(&file(&rows), 1).unwrap();
        assert_eq!((drawn.functions.len(), drawn.seen, drawn.busy), (FUNCTIONS, 3 * FUNCTIONS, 1));
    }

    #[test]
    fn what_is_no_such_trace_is_told_with_its_line() {
        let cases = [
            ("".to_owned(), "it is empty"),
            ("timestamp,function\n1,f\n".to_owned(), "it does not begin with"),
            (file(&["http,1,0,0", "http,1,-1,0"]), "line 3: `-1` is no number of calls"),
            (file(&["http"]), "line 2: it has no minutes"),
            (file(&["http,0,0,0"]), "no function of it is called"),
        ];
        for (text, message) in cases {
            let error = format!("{:#}", drawn(&text, 1).unwrap_err());
            assert!(error.starts_with(message), "{error}");
        }
    }
}
