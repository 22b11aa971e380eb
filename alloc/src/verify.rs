//! Verification: walks the whole heap and checks that everything which is said twice is said the same.
//!
//! For a heap at rest: no cache, sweeper or release is at work. Changes nothing; returns what is wrong as a value.

use crate::colour::Colour;
use crate::mheap::MHeap;
use crate::mheap::sweep::parity;
use crate::space::Backing;
use crate::span::{Place, Span, strip_len};
use crate::unit::{PAGE_SIZE, PageNo, SpanClassId, SpanId};
use greyset_sync::atomic::Ordering;
use std::collections::HashMap;
use std::fmt;

/// What a verification went over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Spans in use.
    pub spans: usize,
    /// Their pages.
    pub pages: usize,
    /// Free pages below the highest page ever used, with and without memory behind them.
    pub free_pages: usize,
    /// Slots of colour A and B.
    pub coloured: [usize; 2],
    /// Bytes of all these slots.
    pub coloured_bytes: usize,
    /// Free slots.
    pub free_slots: usize,
    /// Spans that caches hold.
    pub cached: usize,
}

/// Two things that should agree and do not.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Corruption {
    /// A page entry does not say what its span says.
    PageEntry {
        /// The page.
        page: PageNo,
        /// The span that has it.
        span: SpanId,
    },
    /// A page belongs to two spans or free rows, or to a span and a free row.
    PageTwice {
        /// The page.
        page: PageNo,
    },
    /// A page below the top belongs to nothing.
    PageLost {
        /// The page.
        page: PageNo,
    },
    /// The first or last page of a free row does not name it, or a page inside is not blank.
    FreeRow {
        /// The page.
        page: PageNo,
    },
    /// Two free rows of one kind lie side by side.
    NotJoined {
        /// First page of the second.
        page: PageNo,
    },
    /// A span's own numbers make no sense together.
    SpanShape {
        /// The span.
        span: SpanId,
    },
    /// Two strips share colour bytes.
    StripTwice {
        /// The later span.
        span: SpanId,
    },
    /// Colour bytes in strips do not add up to what the strip allocator has given out.
    StripBytes {
        /// By the spans.
        spans: usize,
        /// By the allocator.
        strips: usize,
    },
    /// A colour byte is none.
    ColourByte {
        /// The span.
        span: SpanId,
        /// The slot.
        slot: usize,
        /// The byte.
        byte: u8,
    },
    /// A span is in a set that does not fit its class, place or generation; or in two; or in none.
    Set {
        /// The span.
        span: SpanId,
    },
    /// A span in a full set has a Free slot, or one in a partial set has none.
    SetFill {
        /// The span.
        span: SpanId,
    },
    /// A span has fewer objects than its last sweep left alive.
    Live {
        /// The span.
        span: SpanId,
        /// Alive after the sweep.
        said: usize,
        /// Coloured now.
        counted: usize,
    },
    /// A counter does not agree with what was counted.
    Count {
        /// Which one.
        what: &'static str,
        /// What it says.
        said: usize,
        /// What there is.
        counted: usize,
    },
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "heap corrupt: {self:?}")
    }
}

impl std::error::Error for Corruption {}

/// What a page is found to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Unknown,
    Known,
}

impl MHeap {
    /// Checks page entries against spans and free rows, strips against each other, colours, sets against places, and all
    /// counters. For a heap at rest. Linear in pages and slots in use.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<VerifyReport, Corruption> {
        let mut report = VerifyReport::default();
        let mut pages = vec![Use::Unknown; self.top().index()];
        let mut strips = HashMap::new();
        let mut spans = Vec::new();
        self.for_each_span(|span| spans.push(span.id()));
        for &id in &spans {
            let span = self.span(id);
            self.verify_span(span, &mut pages, &mut report)?;
            for unit in 0..strip_len(span.slots()) / 16 {
                if strips.insert(span.strip_no().0 as usize + unit, id).is_some() {
                    return Err(Corruption::StripTwice { span: id });
                }
            }
        }
        self.verify_free_pages(&mut pages, &mut report)?;
        if let Some(lost) = pages.iter().position(|&page| page == Use::Unknown) {
            return Err(Corruption::PageLost { page: PageNo(lost as u32) });
        }
        self.verify_sets(&spans)?;
        self.verify_counts(&spans, strips.len() * 16)?;
        Ok(report)
    }

    fn verify_span(
        &self,
        span: &Span,
        pages: &mut [Use],
        report: &mut VerifyReport,
    ) -> Result<(), Corruption> {
        let (space, id) = (self.space(), span.id());
        let class = space.class_info(span.class());
        let fits = span.slots() == class.size_class().slots(span.pages() as usize)
            && span.slot() == class.slot()
            && std::ptr::eq(span.info(), class.info())
            && space.contains(span.addr())
            && span.addr().is_multiple_of(PAGE_SIZE)
            && space.page_no(span.addr()).0 + span.pages() <= self.top().0;
        if !fits {
            return Err(Corruption::SpanShape { span: id });
        }
        let start = space.page_no(span.addr());
        for page in start.0..start.0 + span.pages() {
            let page = PageNo(page);
            take_page(pages, page)?;
            let addr = space.page_addr(page);
            let entry = space.page(addr);
            let same = entry.class() == span.class()
                && entry.magic() == span.magic()
                && entry.locate(addr).colour == span.strip_no().offset() + span.index_of(addr)
                && entry.flags() == span.flags()
                && space.span_id(page) == id;
            if !same {
                return Err(Corruption::PageEntry { page, span: id });
            }
        }
        let before = report.coloured;
        for (slot, byte) in span.strip(space).iter().enumerate() {
            let byte = byte.load(Ordering::Relaxed);
            let colour = Colour::of(byte);
            let legal = match slot < span.slots() {
                true => {
                    let held = byte == Colour::QUARANTINE.byte() && self.zeal.holds();
                    colour.is_live() || byte == Colour::FREE.byte() || held
                }
                false => byte == Colour::GUARD.byte(),
            };
            if !legal {
                return Err(Corruption::ColourByte { span: id, slot, byte });
            }
            match colour {
                Colour::FREE => report.free_slots += 1,
                Colour::A => report.coloured[0] += 1,
                Colour::B => report.coloured[1] += 1,
                _ => {}
            }
        }
        let counted = report.coloured.iter().sum::<usize>() - before.iter().sum::<usize>();
        if counted < span.live() {
            return Err(Corruption::Live { span: id, said: span.live(), counted });
        }
        report.coloured_bytes += counted * span.object_bytes();
        report.spans += 1;
        report.pages += span.pages() as usize;
        report.cached += usize::from(span.place() == Place::Cached);
        Ok(())
    }

    fn verify_free_pages(&self, pages: &mut [Use], report: &mut VerifyReport) -> Result<(), Corruption> {
        let table = self.space().page_table();
        let mut rows = self.free_rows();
        rows.sort_by_key(|(_, row)| row.start);
        for &(backing, row) in &rows {
            for page in row.start.0..row.end().0 {
                take_page(pages, PageNo(page))?;
                let entry = table.at(page as usize).read();
                let at_end = page == row.start.0 || page + 1 == row.end().0;
                let named = entry.free_row() == Some((backing, row.pages));
                if at_end != named || !(at_end || entry.is_blank()) {
                    return Err(Corruption::FreeRow { page: PageNo(page) });
                }
            }
            report.free_pages += row.pages as usize;
        }
        let joined = |pair: &&[(Backing, crate::pages::Row)]| {
            pair[0].0 == pair[1].0 && pair[0].1.end() == pair[1].1.start
        };
        match rows.windows(2).find(joined) {
            Some(pair) => Err(Corruption::NotJoined { page: pair[1].1.start }),
            None => Ok(()),
        }
    }

    /// Every span in use is in the one set that its class, place and generation say, or in a cache.
    fn verify_sets(&self, spans: &[SpanId]) -> Result<(), Corruption> {
        let mut found: HashMap<SpanId, (SpanClassId, Place, usize)> = HashMap::new();
        let mut twice = None;
        for number in 1..=self.registry().count() {
            let class = SpanClassId(number);
            let central = self.registry().central(class);
            for half in 0..2 {
                for (set, place) in [(&central.partial, Place::Partial), (&central.full, Place::Full)] {
                    set[half].for_each(self.space(), |id| {
                        if found.insert(id, (class, place, half)).is_some() {
                            twice = Some(id);
                        }
                        // Links that lead round in a circle have no end.
                        twice.is_none()
                    });
                }
            }
        }
        if let Some(span) = twice {
            return Err(Corruption::Set { span });
        }
        let in_sets = found.len();
        let mut counted = 0;
        for &id in spans {
            let span = self.span(id);
            let wanted = match span.place() {
                Place::Cached => None,
                place => Some((span.class(), place, parity(span.generation()))),
            };
            if found.get(&id).copied() != wanted {
                return Err(Corruption::Set { span: id });
            }
            counted += usize::from(wanted.is_some());
            let free = span.colours(self.space()).iter().any(|byte| byte.load(Ordering::Relaxed) == 0);
            let fits = match span.place() {
                Place::Partial => free,
                Place::Full => !free,
                _ => true,
            };
            if !fits {
                return Err(Corruption::SetFill { span: id });
            }
        }
        same("spans in sets", in_sets, counted)
    }

    fn verify_counts(&self, spans: &[SpanId], strip_bytes: usize) -> Result<(), Corruption> {
        let (stats, _) = self.page_stats();
        same("spans", stats.spans, spans.len())?;
        same("pages used", stats.used, spans.iter().map(|&id| self.span(id).pages() as usize).sum())?;
        same("resident pages", stats.resident, stats.used + stats.free)?;
        same("pages below the top", self.top().index(), stats.used + stats.free + stats.released)?;
        match self.strip_bytes() {
            strips if strips != strip_bytes => Err(Corruption::StripBytes { spans: strip_bytes, strips }),
            _ => Ok(()),
        }
    }
}

fn take_page(pages: &mut [Use], page: PageNo) -> Result<(), Corruption> {
    match pages.get_mut(page.index()) {
        Some(known @ Use::Unknown) => {
            *known = Use::Known;
            Ok(())
        }
        _ => Err(Corruption::PageTwice { page }),
    }
}

fn same(what: &'static str, said: usize, counted: usize) -> Result<(), Corruption> {
    if said == counted { Ok(()) } else { Err(Corruption::Count { what, said, counted }) }
}

#[cfg(all(test, not(loom)))]
mod tests;
