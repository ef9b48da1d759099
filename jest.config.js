/** Tests run from the TypeScript sources; only tests of real processes need `npm run build` first. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/packages', '<rootDir>/test'],
  testMatch: ['**/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: { '^@cassiopeia/([a-z]+)$': '<rootDir>/packages/$1/src/index.ts' },
  testTimeout: 60_000,
  maxWorkers: 2,
}
