//! The model checker on a span's number in its second use.

use super::*;
use loom::sync::Arc;
use loom::thread;

fn of_strip(strip: u32) -> NewSpan {
    let (id, class) = (SpanId(1), SpanClassId(1));
    NewSpan { id, addr: PAGE_SIZE, pages: 1, class, strip: StripNo(strip), slots: 16, generation: 0 }
}

#[test]
fn loom_who_sees_a_span_in_use_sees_its_strip() {
    loom::model(|| {
        let span = Arc::new(Span::default());
        span.set(of_strip(7), &ClassInfo::default());
        span.set_place(Place::Unused);
        let other = Arc::clone(&span);
        let maker = thread::spawn(move || {
            other.set(of_strip(8), &ClassInfo::default());
            other.set_place(Place::Full);
        });
        if span.place() != Place::Unused {
            assert_eq!(span.strip_no(), StripNo(8), "colours of a strip that is another span's by now");
        }
        maker.join().expect("no panic");
    });
}
