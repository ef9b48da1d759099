import { runShare } from './share'

test('simulation: seeds keep every promise (even)', () => runShare(2, 2), 900_000)
