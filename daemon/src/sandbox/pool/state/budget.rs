//! The memory budget: what sandboxes hold, what they could give back, and what was promised.
//!
//! A sandbox that runs holds its function's whole memory. One that is frozen can't take more than it has, so it holds
//! only that; the rest is there for others, and is taken back before it is thawed.

/// What holding memory means for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// A call needs it.
    Firm,
    /// Its sandbox can be told to go.
    Evictable,
    /// Its sandbox is going.
    Leaving,
}

/// MB of memory, by what can be said of them.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    firm: u64,
    evictable: u64,
    leaving: u64,
    /// For calls whose sandboxes are on their way: admitted, not yet held by a sandbox.
    promised: u64,
    /// For calls that wait until there is room.
    queued: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, firm: 0, evictable: 0, leaving: 0, promised: 0, queued: 0 }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Everything that is held or promised.
    pub(super) fn taken(&self) -> u64 {
        self.firm + self.evictable + self.leaving + self.promised
    }

    /// There is room now.
    pub(super) fn fits(&self, mb: u64) -> bool {
        self.taken() + mb <= self.limit
    }

    /// There is room now beside what waits.
    pub(super) fn fits_beside_queue(&self, mb: u64) -> bool {
        self.taken() + self.queued + mb <= self.limit
    }

    /// There will be room for everything that waits when everything that is leaving has left. `credit` of it becomes part of
    /// what waits.
    pub(super) fn will_fit_all(&self, credit: u64) -> bool {
        self.firm + self.evictable + self.promised + self.queued - credit <= self.limit
    }

    /// There would be room if everything that can go went.
    pub(super) fn could_fit(&self, mb: u64) -> bool {
        self.firm + self.promised + self.queued + mb <= self.limit
    }

    /// A frozen sandbox could run and take `mb`, if every other that can go went.
    pub(super) fn could_run(&self, mb: u64) -> bool {
        self.firm + self.promised + mb <= self.limit
    }

    /// More is held than there is, even when everything that is leaving has left.
    pub(super) fn is_overdrawn(&self) -> bool {
        self.firm + self.evictable + self.promised > self.limit
    }

    pub(super) fn hold(&mut self, hold: Hold, mb: u64) {
        *self.of(hold) += mb;
    }

    pub(super) fn release(&mut self, hold: Hold, mb: u64) {
        *self.of(hold) -= mb;
    }

    pub(super) fn promise(&mut self, mb: u64) {
        self.promised += mb;
    }

    pub(super) fn redeem(&mut self, mb: u64) {
        self.promised -= mb;
    }

    pub(super) fn queue(&mut self, mb: u64) {
        self.queued += mb;
    }

    pub(super) fn unqueue(&mut self, mb: u64) {
        self.queued -= mb;
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.taken() + self.queued == 0
    }

    #[cfg(test)]
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving > 0
    }

    fn of(&mut self, hold: Hold) -> &mut u64 {
        match hold {
            Hold::Firm => &mut self.firm,
            Hold::Evictable => &mut self.evictable,
            Hold::Leaving => &mut self.leaving,
        }
    }
}
