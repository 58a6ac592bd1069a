//! Waiting for a moment, to a few hundredths of a millisecond.
//!
//! tokio's timers are of whole milliseconds, which is longer than a warm call takes: what is meant for the middle of one
//! would look half a millisecond slower than it is. The kernel's timers are exact, and one file descriptor is enough.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::{net::unix::pipe, time::Instant};

/// Something to wait with.
pub(in super::super) trait Alarm {
    /// Waits until `due`; not at all if that is over.
    async fn until(&mut self, due: Instant) -> io::Result<()>;
}

/// The kernel's.
#[derive(Debug)]
pub(in super::super) struct Timer {
    timer: OwnedFd,
    /// The same, for tokio: to it, this is something that can be read now and then, as a pipe is.
    readable: pipe::Receiver,
}

impl Timer {
    /// A timer that is not set.
    pub(in super::super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let readable = pipe::Receiver::from_owned_fd_unchecked(timer.try_clone()?)?;
        Ok(Self { timer, readable })
    }
}

impl Alarm for Timer {
    async fn until(&mut self, due: Instant) -> io::Result<()> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            // Setting it anew also takes back what an earlier wait, given up, has left.
            let time = Itimerspec { it_interval: never, it_value: value };
            timerfd_settime(self.timer.as_fd(), TimerfdTimerFlags::empty(), &time)?;
            self.readable.readable().await?;
            // How often it went off is of no interest; that there is nothing to read means that it has yet to.
            match self.readable.try_read(&mut [0; 8]) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_moment_is_waited_for_and_one_that_is_over_is_not() {
        let mut timer = Timer::new().unwrap();
        for wait in [3, 0, 2] {
            let due = Instant::now() + Duration::from_millis(wait);
            timer.until(due).await.unwrap();
            assert!(Instant::now() >= due);
        }
    }

    #[tokio::test]
    async fn a_wait_that_was_given_up_does_not_end_the_next() {
        let mut timer = Timer::new().unwrap();
        let soon = Instant::now() + Duration::from_millis(5);
        // Polled once, so that it is set.
        tokio::select! {
            biased;
            _ = timer.until(soon) => {}
            () = std::future::ready(()) => {}
        }
        let due = Instant::now() + Duration::from_millis(30);
        timer.until(due).await.unwrap();
        assert!(Instant::now() >= due);
    }
}
