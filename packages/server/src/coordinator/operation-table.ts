import { type Operation, ReadOperation, serialOf, slotOf, WriteOperation } from './operation'

/** The operations in flight, by slot; a finished one's slot and objects serve the next. */
export class OperationTable {
  private readonly slots: Operation[] = []
  private readonly freeWrites: WriteOperation[] = []
  private readonly freeReads: ReadOperation[] = []
  private lastSerial = 0
  /** Operations in flight. */
  size = 0

  /** A number that no earlier round of any operation had, within the last four thousand million. */
  nextSequence(): number {
    this.lastSerial = (this.lastSerial + 1) >>> 0 || 1
    return this.lastSerial
  }

  takeWrite(): WriteOperation {
    const operation = this.freeWrites.pop() ?? this.grow((slot) => new WriteOperation(slot))
    return this.occupy(operation)
  }

  takeRead(): ReadOperation {
    const operation = this.freeReads.pop() ?? this.grow((slot) => new ReadOperation(slot))
    return this.occupy(operation)
  }

  release(operation: Operation): void {
    operation.serial = 0
    operation.sequence = 0
    operation.members.length = 0
    this.size -= 1
    if (operation instanceof WriteOperation) this.freeWrites.push(operation)
    else this.freeReads.push(operation as ReadOperation)
  }

  /** The operation that an answer is for; undefined when it comes too late. */
  find(slot: number, sequence: number): Operation | undefined {
    const operation = this.slots[slot]
    return operation !== undefined && operation.sequence === sequence && sequence !== 0
      ? operation
      : undefined
  }

  /** The operation that a timer's ticket names; undefined when it has ended. */
  findByTicket(ticket: number): Operation | undefined {
    const operation = this.slots[slotOf(ticket)]
    return operation !== undefined && operation.serial === serialOf(ticket) ? operation : undefined
  }

  /** Visits every operation in flight; the visitor may end the one that it is shown. */
  forEach(visit: (operation: Operation) => void): void {
    for (const operation of this.slots) if (operation.serial !== 0) visit(operation)
  }

  private occupy<T extends Operation>(operation: T): T {
    operation.serial = this.nextSequence()
    operation.sequence = operation.serial
    this.size += 1
    return operation
  }

  private grow<T extends Operation>(make: (slot: number) => T): T {
    const operation = make(this.slots.length)
    this.slots.push(operation)
    return operation
  }
}
