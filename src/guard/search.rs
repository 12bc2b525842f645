//! Finding a boundary between what passes and what does not.
//!
//! Owns: the search over whole numbers, guided by how hard each probe strains the limits.
//! Must not know: what the numbers stand for.

use rust_decimal::Decimal;

/// What one probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// It passes.
    pub passes: bool,
    /// How hard it strains the limits; 1 is the boundary where strain is all there is.
    pub strain: Decimal,
}

/// One end of the stretch that holds the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub at: u64,
    pub strain: Decimal,
}

/// Makes a straight line of how strain follows what is searched.
pub(super) type Straighten = fn(Decimal) -> Decimal;

/// Strain as it is: it follows a quantity in a straight line.
pub(super) const fn as_it_is(strain: Decimal) -> Decimal {
    strain
}

/// Strain on what is a share of the balance, made to follow the balance in a straight line; 1 stays 1.
pub(super) fn reciprocal(strain: Decimal) -> Decimal {
    let inverse = Decimal::ONE.checked_div(strain);
    let inverse = inverse.unwrap_or(Decimal::ONE_THOUSAND);
    Decimal::TWO
        .checked_sub(inverse.min(Decimal::ONE_THOUSAND))
        .unwrap_or_default()
}

/// Most probes that look for a number that passes where neither end of a stretch does.
const DIPS_MAX: u32 = 8;

/// Where a number that passes may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape<'g> {
    /// Strain falls from the failing end on: these are tried where the hoped for is not enough.
    Falls(&'g [u64]),
    /// Strain may fall and then rise (margin is concave in every quantity): these are tried first.
    Dips(&'g [u64]),
}

/// A number that passes: the one hoped for, a guess, or where strain is least between the one hoped
/// for and the failing end. Nothing is searched where strain does not fall.
pub(super) fn foothold(
    fails: End,
    hoped: u64,
    shape: Shape<'_>,
    mut probe: impl FnMut(u64) -> Option<Probe>,
) -> Option<End> {
    let mut ask = |at: u64| {
        let seen = probe(at)?;
        let strain = seen.strain;
        Some((End { at, strain }, seen.passes))
    };
    let (near, passes) = ask(hoped)?;
    if passes {
        return Some(near);
    }
    let (Shape::Falls(guesses) | Shape::Dips(guesses)) = shape;
    let dips = matches!(shape, Shape::Dips(_));
    if !dips && near.strain >= fails.strain {
        return None;
    }
    for guess in guesses {
        let (end, passes) = ask(*guess)?;
        if passes {
            return Some(end);
        }
    }
    if !dips {
        return None;
    }
    let width = fails.at.abs_diff(hoped);
    let towards = |at: u64, by: u64| {
        if fails.at > hoped {
            at.saturating_add(by)
        } else {
            at.saturating_sub(by)
        }
    };
    let (beside, passes) = ask(towards(hoped, (width / 64).max(1)))?;
    if passes {
        return Some(beside);
    }
    if beside.strain >= near.strain {
        return None;
    }
    // Halving by the slope: of two neighbours the lower one tells which half holds the dip.
    let (mut low, mut high) = (0_u64, width);
    for _ in 0..DIPS_MAX / 2 {
        let middle = low.midpoint(high);
        let (here, passes) = ask(towards(hoped, middle))?;
        if passes {
            return Some(here);
        }
        let (next, passes) = ask(towards(hoped, middle.saturating_add((width / 256).max(1))))?;
        if passes {
            return Some(next);
        }
        if next.strain < here.strain {
            low = middle;
        } else {
            high = middle;
        }
    }
    None
}

/// The last number on `near`'s side of the boundary: its neighbour towards `far` is on the other
/// side. `None` when the probes ran out. The next probe lies where a straight line between the two
/// ends meets the limit, and in the middle where lines do not help.
pub(super) fn boundary(
    mut near: End,
    mut far: End,
    near_passes: bool,
    mut probe: impl FnMut(u64) -> Option<Probe>,
) -> Option<u64> {
    let mut slow = 0_u32;
    // Strains as the line is drawn: an end that stays is drawn nearer to the limit each time, so that
    // a bend between the ends does not hold the line up (Illinois).
    let (mut near_line, mut far_line) = (near, far);
    let mut near_moved_last: Option<bool> = None;
    // What is limited elsewhere may strain all the same however far the near end moves: then only the far
    // ends draw a line.
    let mut near_is_flat = false;
    let mut far_before: Option<End> = None;
    while far.at.abs_diff(near.at) > 1 {
        let width = far.at.abs_diff(near.at);
        let line = match far_before.filter(|_| near_is_flat) {
            Some(before) => crossing(far, before, near.at, far.at),
            None if near_is_flat => None,
            None => crossing(near_line, far_line, near.at, far.at),
        };
        let at = match line {
            Some(at) if slow < 2 => at,
            _ => {
                slow = 0;
                near.at.midpoint(far.at)
            }
        };
        let seen = probe(at)?;
        let end = End {
            at,
            strain: seen.strain,
        };
        let near_moves = seen.passes == near_passes;
        if near_moves {
            near_is_flat = near.strain == end.strain;
            (near, near_line) = (end, end);
        } else {
            far_before = Some(far);
            (far, far_line) = (end, end);
        }
        if near_moved_last == Some(near_moves) {
            let stays = if near_moves {
                &mut far_line
            } else {
                &mut near_line
            };
            *stays = drawn_nearer(*stays);
        }
        near_moved_last = Some(near_moves);
        let left = far.at.abs_diff(near.at);
        slow = if left.saturating_mul(2) > width {
            slow.saturating_add(1)
        } else {
            0
        };
    }
    Some(near.at)
}

/// The end with half of what it is away from the limit.
fn drawn_nearer(end: End) -> End {
    let strain = end.strain.checked_add(Decimal::ONE);
    let strain = strain.and_then(|sum| sum.checked_div(Decimal::TWO));
    End {
        strain: strain.unwrap_or(end.strain),
        ..end
    }
}

/// Where the line through two points reaches a strain of 1, strictly between the ends of the stretch.
fn crossing(one: End, other: End, near: u64, far: u64) -> Option<u64> {
    let (low, high) = if one.at < other.at {
        (one, other)
    } else {
        (other, one)
    };
    let rise = high.strain.checked_sub(low.strain)?;
    let wanted = Decimal::ONE.checked_sub(low.strain)?;
    let width = Decimal::from(high.at.checked_sub(low.at)?);
    let steps = wanted.checked_mul(width)?.checked_div(rise)?.floor();
    let at = Decimal::from(low.at).checked_add(steps)?;
    let (least, most) = (near.min(far), near.max(far));
    if at < Decimal::from(least) || at > Decimal::from(most) {
        // Something else than strain decides.
        return None;
    }
    let at: u64 = at.try_into().ok()?;
    Some(at.clamp(least.saturating_add(1), most.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(at: u64, strain: Decimal) -> End {
        End { at, strain }
    }

    /// Strain that grows by a ten-thousandth a step: 1 at 10,000.
    fn line(at: u64) -> Probe {
        let strain = Decimal::new(i64::try_from(at).unwrap(), 4);
        Probe {
            passes: strain <= Decimal::ONE,
            strain,
        }
    }

    #[test]
    fn a_straight_line_takes_a_few_probes() {
        let mut probes = 0;
        let found = boundary(
            end(1, line(1).strain),
            end(1_000_000, line(1_000_000).strain),
            true,
            |at| {
                probes += 1;
                Some(line(at))
            },
        );
        assert_eq!(found, Some(10_000));
        assert!(probes <= 4, "{probes}");
    }

    #[test]
    fn a_jump_is_found_by_halving() {
        let jump = |at: u64| {
            let passes = at <= 777;
            let strain = if passes {
                Decimal::ZERO
            } else {
                Decimal::ONE_THOUSAND
            };
            Some(Probe { passes, strain })
        };
        let found = boundary(
            end(0, Decimal::ZERO),
            end(100_000, Decimal::ONE_THOUSAND),
            true,
            jump,
        );
        assert_eq!(found, Some(777));
    }

    /// What something else strains to the limit hides how far the passing side is from it.
    #[test]
    fn a_floor_of_strain_takes_a_few_probes_too() {
        let mut probes = 0;
        let floor = |at: u64| {
            let strain = line(at).strain.max(Decimal::ONE);
            let passes = strain <= Decimal::ONE;
            Probe { passes, strain }
        };
        let (near, far) = (end(0, Decimal::ONE), end(40_000, line(40_000).strain));
        let found = boundary(near, far, true, |at| {
            probes += 1;
            Some(floor(at))
        });
        assert_eq!(found, Some(10_000));
        assert!(probes <= 8, "{probes}");
    }

    #[test]
    fn the_side_that_fails_can_be_the_near_one() {
        // Topping up: 0 fails, 100 passes, 42 is the first that does.
        let probe = |at: u64| {
            let strain = Decimal::new(2_000 - 24 * i64::try_from(at).unwrap(), 3);
            Some(Probe {
                passes: strain <= Decimal::ONE,
                strain,
            })
        };
        let near = end(0, Decimal::TWO);
        let far = end(100, Decimal::NEGATIVE_ONE);
        assert_eq!(boundary(near, far, false, probe), Some(41));
    }

    #[test]
    fn probes_that_run_out_promise_nothing() {
        let near = end(0, Decimal::ZERO);
        let far = end(10, Decimal::TWO);
        assert_eq!(boundary(near, far, true, |_| None), None);
    }
}
