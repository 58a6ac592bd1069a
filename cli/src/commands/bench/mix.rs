//! Which function is called next.

/// The largest weight: enough to let one of a million calls go elsewhere.
const WEIGHT_LIMIT: u32 = 1_000_000;

/// A function and how often it is called beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// As the daemon takes it: a name or an ARN, with or without a qualifier.
    pub(super) name: String,
    /// 1, if it was not given.
    pub(super) weight: Option<u32>,
}

impl Share {
    /// Reads `FUNCTION[:QUALIFIER][=WEIGHT]`. No name or ARN has an equals sign.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, weight) = match text.split_once('=') {
            None => (text, None),
            Some((name, weight)) => match weight.parse() {
                Ok(weight @ 1..=WEIGHT_LIMIT) => (name, Some(weight)),
                _ => return Err(format!("a weight is a whole number from 1 to {WEIGHT_LIMIT}")),
            },
        };
        if name.is_empty() {
            return Err("a function's name is missing".to_owned());
        }
        Ok(Self { name: name.to_owned(), weight })
    }
}

/// Draws functions by their weights.
#[derive(Debug)]
pub(super) struct Mix {
    /// For each function, its weight and those of all before it.
    sums: Vec<u64>,
    random: fastrand::Rng,
}

impl Mix {
    pub(super) fn new(shares: &[Share], seed: u64) -> Self {
        let sums = shares
            .iter()
            .scan(0, |sum, share| {
                *sum += u64::from(share.weight.unwrap_or(1));
                Some(*sum)
            })
            .collect();
        Self { sums, random: fastrand::Rng::with_seed(seed) }
    }

    /// The next function's index.
    pub(super) fn next(&mut self) -> usize {
        let Some(&total) = self.sums.last() else { return 0 };
        let drawn = self.random.u64(..total);
        self.sums.partition_point(|&sum| sum <= drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(text: &str) -> Share {
        Share::parse(text).unwrap()
    }

    #[test]
    fn a_function_is_named_with_or_without_qualifier_and_weight() {
        assert_eq!(share("hello"), Share { name: "hello".to_owned(), weight: None });
        assert_eq!(share("hello:$LATEST=3"), Share { name: "hello:$LATEST".to_owned(), weight: Some(3) });
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:hello";
        assert_eq!(share(&format!("{arn}=1")), Share { name: arn.to_owned(), weight: Some(1) });
        for bad in ["", "=2", "hello=", "hello=0", "hello=-1", "hello=1.5", "hello=1000001", "hello=1=2"] {
            assert!(Share::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn functions_are_called_by_their_weights() {
        let mut mix = Mix::new(&[share("a=7"), share("b"), share("c=2")], 1);
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            counts[mix.next()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([7000, 1000, 2000]) {
            assert!(count.abs_diff(expected) < 200, "{counts:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_calls_and_another_others() {
        let drawn = |seed| {
            let mut mix = Mix::new(&[share("a"), share("b")], seed);
            (0..64).map(|_| mix.next()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
