import { runShare } from './share'

test('simulation: seeds keep every promise (odd)', () => runShare(1, 2), 900_000)
