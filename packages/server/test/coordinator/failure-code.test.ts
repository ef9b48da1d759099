import type { ErrorCode } from '@cassiopeia/protocol'
import { failureCode } from '../../src/coordinator/coordination'

describe('failure code', () => {
  test.each<[string, ErrorCode[], boolean, ErrorCode]>([
    [
      'nothing applied, one reason',
      ['CASSIO_OVERLOADED', 'CASSIO_OVERLOADED'],
      false,
      'CASSIO_OVERLOADED',
    ],
    [
      'nothing applied, two reasons',
      ['CASSIO_OVERLOADED', 'CASSIO_STORAGE'],
      false,
      'CASSIO_FAILED',
    ],
    [
      'perhaps applied, one reason',
      ['CASSIO_OVERLOADED', 'CASSIO_OVERLOADED'],
      true,
      'CASSIO_FAILED',
    ],
    [
      'perhaps applied, the others found it late',
      ['CASSIO_TIMEOUT', 'CASSIO_TIMEOUT'],
      true,
      'CASSIO_TIMEOUT',
    ],
    [
      'perhaps applied, one found it late',
      ['CASSIO_TIMEOUT', 'CASSIO_STORAGE'],
      true,
      'CASSIO_FAILED',
    ],
    ['no causes', [], true, 'CASSIO_FAILED'],
  ])('failure code: %s: %j, unknown %s: %s', (_, codes, isUnknown, expected) => {
    const causes = codes.map((code) => ({ node: 'n', code, message: '' }))
    expect(failureCode('CASSIO_FAILED', causes, isUnknown)).toBe(expected)
  })
})
