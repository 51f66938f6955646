//! Turning the pages of a list.

use larder_web::text::count;

/// Links to the pages before and after one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pager {
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    /// Which page of how many; empty if there is but one.
    pub(super) text: String,
}

impl Pager {
    /// For page `page`, from 1, of `total` items in pages of `size`; `url` is
    /// the address of a page.
    pub(super) fn new(page: u32, size: u32, total: u64, url: impl Fn(u32) -> String) -> Self {
        let last = total.div_ceil(size.max(1).into()).max(1);
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        if last == 1 && page == 1 {
            return Self::default();
        }
        Self {
            previous: (page > 1).then(|| url(last.min(page - 1))),
            next: (page < last).then(|| url(page + 1)),
            text: format!("Page {} of {}", count(page.into()), count(last.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(page: u32, total: u64) -> (Option<String>, Option<String>) {
        let pager = Pager::new(page, 20, total, |page| page.to_string());
        (pager.previous, pager.next)
    }

    #[test]
    fn pages_lead_to_their_neighbours() {
        let link = |page: u32| Some(page.to_string());
        assert_eq!(pager(1, 0), (None, None));
        assert_eq!(pager(1, 20), (None, None));
        assert_eq!(pager(1, 21), (None, link(2)));
        assert_eq!(pager(2, 21), (link(1), None));
        assert_eq!(pager(2, 60), (link(1), link(3)));
        assert_eq!(pager(9, 21), (link(2), None), "back from behind the last");
    }
}
