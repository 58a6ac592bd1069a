//! The results: what was measured ([`Results`]), as text with a drawn histogram, as JSON, and as a picture.

mod buckets;
mod figures;
mod json;
mod picture;
mod text;

pub(super) use json::as_json;
pub(super) use picture::{Picture, write_png, write_svg};
pub(super) use text::show;

use super::tally::Tally;

/// Everything that there is to tell.
#[derive(Debug)]
pub(super) struct Results {
    /// What was done, in a few words.
    pub(super) load: String,
    /// `closed`, `rate` or `trace`.
    pub(super) mode: &'static str,
    /// The functions as they were named.
    pub(super) names: Vec<String>,
    pub(super) tally: Tally,
    /// Whether calls had moments that they could miss.
    pub(super) is_open: bool,
    /// How many functions to show apart.
    pub(super) top: usize,
    /// Whether somebody ended it early.
    pub(super) was_stopped: bool,
}

impl Results {
    /// The functions' indices, the most called first, as many as are shown.
    fn shown(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        let calls = |at: usize| {
            self.tally.functions().get(at).map_or(0, |function| function.answered() + function.misses)
        };
        order.sort_by_key(|&at| std::cmp::Reverse(calls(at)));
        order.truncate(self.top);
        order
    }
}
