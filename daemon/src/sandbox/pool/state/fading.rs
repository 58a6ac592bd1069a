//! A count that fades: how often something happened lately.

use std::time::Duration;

use tokio::time::Instant;

/// After its `memory`, a third of what happened still counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fading {
    level: f64,
    at: Instant,
    memory: Duration,
}

impl Fading {
    /// Nothing has happened yet.
    pub(super) fn new(memory: Duration, now: Instant) -> Self {
        Self { level: 0.0, at: now, memory }
    }

    /// How much of what happened still counts.
    pub(super) fn level(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level * (-passed / self.memory.as_secs_f64()).exp()
    }

    /// The level when it happened last: since then nothing has but fading.
    pub(super) fn last_level(&self) -> f64 {
        self.level
    }

    /// It happened once more.
    pub(super) fn add(&mut self, now: Instant) {
        *self = Self { level: self.level(now) + 1.0, at: now, memory: self.memory };
    }

    /// The level in whole numbers. What has faded to less than half of one is none.
    pub(super) fn count(&self, now: Instant) -> usize {
        let level = self.level(now).round();
        // Never negative, and bounded by how often something can happen in a few times the memory.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let count = level as usize;
        count
    }
}
