//! Decides by the gaps between a function's calls how long its sandbox stays, and when one is made ahead of the next call.
//!
//! The hybrid histogram policy of "Serverless in the Wild" (Shahrad and others, USENIX ATC 2020): a call is expected between
//! the head and the tail of the gaps that were seen. Until the head nothing is kept, shortly before it a sandbox is made,
//! and it stays until shortly after the tail. Where the gaps say too little, the fixed time counts. So it does for functions
//! whose gaps are mostly longer than the histogram: forecasting those from a time series, as the paper does, is not built.
//!
//! Every span follows the fixed time, which is what whoever runs the daemon says that memory is worth.

use std::time::Duration;

use super::histogram::Histogram;
use crate::config::KeepAlive;

/// Fewer gaps say nothing. The paper does not say how many it asks for; after five a timer is known, and a wrong guess costs
/// one cold start, after which the gap counts.
const LEAST_GAPS: u32 = 5;

/// The variation of the bins' counts from which on they say something. The paper has 2 on its bins of a minute. On bins that
/// double in length, calls that come independently of each other give 1.2, and gaps that are as likely to be a second as an
/// hour give less than 1.
const LEAST_VARIATION: f64 = 1.0;

/// The part of the gaps that may be longer than the histogram: where most are, the others say little of the next.
const MOST_BEYOND: f64 = 0.5;

/// Of the gaps, this many are shorter than the head and not longer than the tail, as in the paper.
const HEAD: f64 = 0.05;
const TAIL: f64 = 0.99;

/// How much earlier and later than these a call may come, as in the paper.
const MARGIN: f64 = 0.1;

/// A sandbox stops after a call only if nobody is expected for longer than this, in fixed times: to stop one and make
/// another costs Docker about half a second of a CPU, which once a minute is less than a hundredth of one.
const PAYS: f64 = 0.1;

/// What is kept stays for this at the least, in fixed times. The paper keeps its bin of a minute; but where calls come
/// every few seconds, the one gap in a hundred that is longer than the tail comes every few minutes, and the memory
/// that a shorter stay frees is free only when the calls have ended.
const LEAST_STAY: f64 = 0.5;

/// A sandbox that stops after its call waits for this, in fixed times: a call on the heels of another still finds it.
const LINGER: f64 = 0.01;

/// What is to become of a function's idle sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether the gaps decided, or the fixed time.
    pub by_gaps: bool,
    /// The sandbox stops after its call, and another is made at this time after the call's end.
    pub ahead: Option<Duration>,
    /// Whatever idle sandbox there is goes at this time after the last call's end.
    pub keep: Duration,
}

/// The policy that the settings ask for.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox::pool) struct Policy {
    pub(in crate::sandbox::pool) mode: KeepAlive,
    /// The fixed time, which is the unit of everything.
    pub(in crate::sandbox::pool) fixed: Duration,
}

impl Policy {
    /// A span in fixed times.
    pub(super) fn units(&self, span: Duration) -> f64 {
        span.as_secs_f64() / self.fixed.as_secs_f64()
    }

    /// What follows from the gaps.
    pub(super) fn plan(&self, gaps: &Histogram) -> Plan {
        let says_something = gaps.total() >= LEAST_GAPS
            && gaps.share_beyond() <= MOST_BEYOND
            && gaps.variation() >= LEAST_VARIATION;
        if self.mode == KeepAlive::Fixed || !says_something {
            return self.fixed_plan();
        }
        let ahead = gaps.head(HEAD) * (1.0 - MARGIN);
        let keep = (gaps.tail(TAIL) * (1.0 + MARGIN)).max(LEAST_STAY);
        let ahead = (ahead > PAYS).then(|| self.fixed.mul_f64(ahead));
        Plan { by_gaps: true, ahead, keep: self.fixed.mul_f64(keep) }
    }

    /// What counts where nothing is known.
    pub(super) fn fixed_plan(&self) -> Plan {
        Plan { by_gaps: false, ahead: None, keep: self.fixed }
    }

    /// How much longer a sandbox stays that becomes idle `since_end` after the last call's end.
    pub(super) fn stay(&self, plan: &Plan, since_end: Duration) -> Duration {
        match plan.ahead {
            Some(ahead) if since_end < ahead => self.fixed.mul_f64(LINGER),
            _ if plan.by_gaps => plan.keep.saturating_sub(since_end).max(self.fixed.mul_f64(LINGER)),
            _ => plan.keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const POLICY: Policy = Policy { mode: KeepAlive::Histogram, fixed: Duration::from_secs(600) };

    fn plan(policy: Policy, gaps: impl IntoIterator<Item = Duration>) -> Plan {
        let mut histogram = Histogram::default();
        gaps.into_iter().for_each(|gap| histogram.record(policy.units(gap)));
        policy.plan(&histogram)
    }

    #[test]
    fn a_timer_has_its_sandbox_made_just_before_its_call() {
        let plan = plan(POLICY, [MINUTE * 30; 6]);
        let ahead = plan.ahead.unwrap();
        assert!(ahead > MINUTE * 24 && ahead < MINUTE * 30, "{plan:?}");
        assert!(plan.keep > MINUTE * 30 && plan.keep < MINUTE * 38, "{plan:?}");
        assert_eq!(POLICY.stay(&plan, Duration::ZERO), Duration::from_secs(6));
        let stay = POLICY.stay(&plan, ahead);
        assert_eq!(stay, plan.keep - ahead);
    }

    #[test]
    fn calls_that_come_often_find_their_sandbox_and_pay_for_no_stop() {
        let plan = plan(POLICY, (1..50).map(|number| Duration::from_millis(700 * number)));
        assert_eq!(plan, Plan { by_gaps: true, ahead: None, keep: MINUTE * 5 });
    }

    #[test]
    fn rare_calls_are_waited_for_longer_than_the_fixed_time() {
        let plan = plan(POLICY, (1..40).map(|number| MINUTE * number / 2));
        assert!(plan.by_gaps && plan.ahead.is_none() && plan.keep > MINUTE * 20, "{plan:?}");
    }

    #[test]
    fn what_says_too_little_leaves_the_fixed_time() {
        let few = plan(POLICY, [MINUTE; 4]);
        let long = plan(POLICY, [MINUTE * 600; 20]);
        let any = plan(POLICY, (0..110).map(|bin| Duration::from_secs_f64(0.65 * 1.095_f64.powi(bin))));
        for plan in [few, long, any] {
            assert_eq!(plan, POLICY.fixed_plan());
        }
        let fixed = Policy { mode: KeepAlive::Fixed, ..POLICY };
        assert_eq!(plan(fixed, [MINUTE * 30; 6]), POLICY.fixed_plan());
    }

    proptest! {
        /// All spans follow the fixed time, so a compressed hour is decided as the hour is.
        #[test]
        fn another_unit_decides_alike(gaps in prop::collection::vec(1_u64..20_000, 0..60)) {
            let slow = plan(POLICY, gaps.iter().map(|gap| Duration::from_secs(*gap)));
            let quick = Policy { fixed: POLICY.fixed / 1000, ..POLICY };
            let quick = plan(quick, gaps.iter().map(|gap| Duration::from_millis(*gap)));
            prop_assert_eq!(slow.by_gaps, quick.by_gaps);
            prop_assert_eq!(slow.ahead.is_some(), quick.ahead.is_some());
            let ratio = slow.keep.as_secs_f64() / quick.keep.as_secs_f64();
            prop_assert!((ratio / 1000.0 - 1.0).abs() < 0.001);
        }

        #[test]
        fn a_plan_keeps_what_it_makes_and_nothing_for_ever(gaps in prop::collection::vec(0_u64..100_000, 0..200)) {
            let plan = plan(POLICY, gaps.iter().map(|gap| Duration::from_secs(*gap)));
            prop_assert!(plan.ahead.is_none_or(|ahead| ahead < plan.keep && ahead > MINUTE));
            prop_assert!(plan.keep >= MINUTE * 5 && plan.keep < MINUTE * 60 * 6);
            let stay = POLICY.stay(&plan, Duration::ZERO);
            prop_assert!(stay >= Duration::from_secs(6) && stay <= plan.keep);
        }
    }
}
