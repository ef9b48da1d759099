/** A growing list of numbers that costs eight bytes for each. */
export class NumberList {
  length = 0
  private numbers = new Float64Array(1024)

  push(value: number): void {
    if (this.length === this.numbers.length) {
      const larger = new Float64Array(this.length * 2)
      larger.set(this.numbers)
      this.numbers = larger
    }
    this.numbers[this.length] = value
    this.length += 1
  }

  clear(): void {
    this.length = 0
  }

  /** A view of all; valid until the next `push`. */
  view(): Float64Array {
    return this.numbers.subarray(0, this.length)
  }
}
