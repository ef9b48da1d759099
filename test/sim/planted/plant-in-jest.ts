/** A setup file of jest: plants the bug that the environment names, for all tests that follow. */
import { plantFromEnvironment } from './find'

plantFromEnvironment()
