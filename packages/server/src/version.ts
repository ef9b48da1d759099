/** The version of this package, as `status` and WELCOME tell it. Held equal by a test. */
export const VERSION = '0.1.0'
