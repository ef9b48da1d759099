/** The build of msgpackr without its optional native addon; the package has no types for it. */
declare module 'msgpackr/index-no-eval' {
  export { addExtension, Packr } from 'msgpackr'
}
