//! Max-min fairness: nobody gets more while somebody who needs it gets less than its share.

/// Shares `amount` among needs, each a pair of what is wanted and how much it counts (at least 1).
///
/// Whoever wants less than its share gets what it wants; what it leaves is shared among the others. The result never
/// exceeds the amount; what division leaves over is given to nobody. (Water-filling: Bertsekas and Gallager, *Data
/// Networks*, section 6.5.2.)
pub fn max_min(amount: u64, needs: &[(u64, u32)]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    let need = |index: &usize| needs.get(*index).copied().unwrap_or((0, 1));
    // Who wants least for its weight is served first: want / weight, compared crosswise.
    order.sort_by(|a, b| {
        let ((want_a, weight_a), (want_b, weight_b)) = (need(a), need(b));
        let a = u128::from(want_a) * u128::from(weight_b.max(1));
        let b = u128::from(want_b) * u128::from(weight_a.max(1));
        a.cmp(&b)
    });
    let mut left = u128::from(amount);
    let mut weights: u128 = needs.iter().map(|(_, weight)| u128::from((*weight).max(1))).sum();
    let mut given = vec![0; needs.len()];
    for index in order {
        let (want, weight) = need(&index);
        let weight = u128::from(weight.max(1));
        let fair = left * weight / weights.max(1);
        let share = u128::from(want).min(fair);
        if let Some(slot) = given.get_mut(index) {
            *slot = u64::try_from(share).unwrap_or(u64::MAX);
        }
        left -= share;
        weights -= weight;
    }
    given
}
