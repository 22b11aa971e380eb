//! Signals: a number for each cycle, as a sum of terms.
//!
//! Everything is computed here, the sine too, so that a scenario gives the same digits on every system.

use super::ScenarioError;
use std::f64::consts::PI;

/// The course of a term over the cycles, counted from 0 (from its delay, if it has one).
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// The same value in every cycle.
    Const(f64),
    /// From 0 to `height` in `length` cycles, `height` from then on.
    Ramp {
        /// Value at the end.
        height: f64,
        /// Cycles until then, at least 1.
        length: u64,
    },
    /// The value in the first cycle, else 0.
    Impulse(f64),
    /// A sine.
    Sine {
        /// Largest value.
        amplitude: f64,
        /// Cycles of a period, at least 1.
        period: u64,
        /// Phase in radians.
        phase: f64,
    },
    /// Recorded noise around 0.
    Noise {
        /// Largest value.
        amplitude: f64,
        /// A number from 0 to 1 for each cycle.
        draws: Vec<f64>,
    },
}

/// A term of a signal.
#[derive(Clone, PartialEq, Debug)]
pub struct Term {
    /// Its course.
    pub shape: Shape,
    /// Cycles before which it is 0 and from which it starts.
    pub delay: u64,
}

/// A sum of terms, added in this order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Signal(pub Vec<Term>);

impl Signal {
    /// A signal that is always `value`.
    pub fn constant(value: f64) -> Signal {
        Signal(vec![Term { shape: Shape::Const(value), delay: 0 }])
    }

    /// The value in a cycle, counted from 0; `name` is what errors call the signal.
    ///
    /// # Errors
    /// [`ScenarioError`] where the signal has no value: a length or period of 0, too few draws, a sum that is not finite.
    pub fn at(&self, cycle: u64, name: &'static str) -> Result<f64, ScenarioError> {
        let mut sum = 0.0;
        for (index, term) in self.0.iter().enumerate() {
            if let Some(own) = cycle.checked_sub(term.delay) {
                let problem = |problem| ScenarioError::Term { signal: name, term: index + 1, problem };
                sum += term.shape.at(own).map_err(problem)?;
            }
        }
        if sum.is_finite() {
            Ok(sum)
        } else {
            Err(ScenarioError::NotFinite { signal: name, cycle: cycle + 1 })
        }
    }
}

impl Shape {
    fn at(&self, cycle: u64) -> Result<f64, &'static str> {
        match self {
            Shape::Const(value) => Ok(*value),
            Shape::Ramp { length: 0, .. } => Err("the length of a ramp is at least 1"),
            Shape::Ramp { height, length } => Ok(height * cycle.min(*length) as f64 / *length as f64),
            Shape::Impulse(height) => Ok(if cycle == 0 { *height } else { 0.0 }),
            Shape::Sine { period: 0, .. } => Err("the period of a sine is at least 1"),
            Shape::Sine { amplitude, period, phase } => {
                let turn = (cycle % period) as f64 / *period as f64;
                Ok(amplitude * sine(turn * 2.0 * PI + phase))
            }
            Shape::Noise { amplitude, draws } => {
                let draw = usize::try_from(cycle).ok().and_then(|cycle| draws.get(cycle));
                draw.map(|draw| (draw - 0.5) * 2.0 * amplitude).ok_or("noise needs a draw for every cycle")
            }
        }
    }
}

/// π/4 in three parts, the first two with so few digits that a multiple of them is exact.
const QUARTER_PI: [f64; 3] =
    [7.853_981_256_484_985e-1, 3.774_894_707_930_798e-8, 2.695_151_429_079_059_5e-15];
/// Polynomials in the square of the argument, highest power first.
const SINE: [f64; 6] = [
    1.589_623_015_765_465_7e-10,
    -2.505_074_776_285_780_7e-8,
    2.755_731_362_138_572_2e-6,
    -1.984_126_982_958_954e-4,
    8.333_333_333_322_118e-3,
    -1.666_666_666_666_663e-1,
];
const COSINE: [f64; 6] = [
    -1.135_853_652_138_768_2e-11,
    2.087_570_084_197_473e-9,
    -2.755_731_417_929_674e-7,
    2.480_158_728_885_170_4e-5,
    -1.388_888_888_887_305_6e-3,
    4.166_666_666_666_659_3e-2,
];

/// Sine by Moshier's Cephes library's method: reduce to an eighth of a turn, then a polynomial. The system's own may differ in
/// the last digit; the reference data were recorded with this one. For arguments up to about 2³⁰.
fn sine(x: f64) -> f64 {
    let poly = |coefficients: &[f64; 6], z: f64| coefficients.iter().fold(0.0, |sum, c| sum * z + c);
    // The octant, odd ones counted with the next.
    let octant = (x.abs() * (4.0 / PI)) as u64;
    let octant = octant + (octant & 1);
    let y = octant as f64;
    let z = ((x.abs() - y * QUARTER_PI[0]) - y * QUARTER_PI[1]) - y * QUARTER_PI[2];
    let zz = z * z;
    let value = if octant & 3 == 2 {
        1.0 - 0.5 * zz + zz * zz * poly(&COSINE, zz)
    } else {
        z + z * zz * poly(&SINE, zz)
    };
    if (octant & 4 != 0) != x.is_sign_negative() { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(shape: Shape, delay: u64) -> Vec<f64> {
        let signal = Signal(vec![Term { shape: Shape::Const(1.0), delay: 0 }, Term { shape, delay }]);
        (0..5).map(|i| signal.at(i, "s").unwrap_or(f64::NAN)).collect()
    }

    #[test]
    fn shapes() {
        assert_eq!(values(Shape::Const(2.0), 0), [3.0; 5]);
        assert_eq!(values(Shape::Ramp { height: -4.0, length: 4 }, 0), [1.0, 0.0, -1.0, -2.0, -3.0]);
        assert_eq!(values(Shape::Ramp { height: 2.0, length: 1 }, 2), [1.0, 1.0, 1.0, 3.0, 3.0]);
        assert_eq!(values(Shape::Impulse(5.0), 3), [1.0, 1.0, 1.0, 6.0, 1.0]);
        let noise = Shape::Noise { amplitude: 2.0, draws: vec![0.0, 0.5, 1.0] };
        assert_eq!(values(noise, 2), [1.0, 1.0, -1.0, 1.0, 3.0]);
        let sine = values(Shape::Sine { amplitude: 2.0, period: 4, phase: 0.0 }, 0);
        for (value, wanted) in sine.iter().zip([1.0, 3.0, 1.0, -1.0, 1.0]) {
            assert!((value - wanted).abs() < 1e-15, "{sine:?}");
        }
    }

    #[test]
    fn a_signal_without_a_value_says_why() {
        let error = |shape| match Signal(vec![Term { shape, delay: 0 }]).at(1, "growth") {
            Ok(value) => panic!("{value}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            error(Shape::Ramp { height: 1.0, length: 0 }),
            "signal growth, term 1: the length of a ramp is at least 1"
        );
        assert!(error(Shape::Sine { amplitude: 1.0, period: 0, phase: 0.0 }).contains("period"));
        assert!(error(Shape::Noise { amplitude: 1.0, draws: vec![0.5] }).contains("a draw for every cycle"));
        assert_eq!(error(Shape::Const(f64::INFINITY)), "signal growth has no finite value in cycle 2");
    }

    #[test]
    fn the_sine_is_one() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.01;
            assert!((sine(x) - x.sin()).abs() < 2.3e-16, "{x}: {} {}", sine(x), x.sin());
        }
        assert_eq!(sine(0.0), 0.0);
    }
}
