/** Two readings of time that must never be mixed: intervals from one, stamps from the other. */
export interface Clock {
  /**
   * Milliseconds (fractional) from an arbitrary origin of this process; never goes back and is not
   * touched by clock adjustments. For intervals, deadlines and timeouts.
   */
  monotonicMs(): number
  /** Whole milliseconds since the Unix epoch; may jump either way. For stamps and expiry only. */
  wallMs(): number
}
