import js from '@eslint/js'
import ts from 'typescript-eslint'

/** Doors to the outside belong to server/ports.ts; everything else is handed a port. */
const onlyThroughPorts = [
  { object: 'Date', property: 'now', message: 'Use the Clock port.' },
  { object: 'Math', property: 'random', message: 'Use the Random port.' },
  {
    object: 'process',
    property: 'env',
    message: 'Read the environment in main.ts and hand it on.',
  },
  { object: 'process', property: 'exit', message: 'Only main.ts ends the process.' },
]

export default ts.config(
  // Plain JavaScript of tools and benchmarks is in no TypeScript project.
  { ignores: ['**/*.mjs'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: [import.meta.dirname + '/tsconfig.check.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      // Numbers read well in messages; templates of anything else stay refused.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `noUncheckedIndexedAccess` makes `!` the honest way to say "the loop bound guarantees it".
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Ports are interfaces of async functions; an implementation need not await.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-properties': ['error', ...onlyThroughPorts],
      'no-console': 'error',
      'no-control-regex': 'off',
    },
  },
  {
    files: ['server/**/*.ts', 'dns/**/*.ts', 'warmup/**/*.ts'],
    ignores: ['server/ports.ts', 'server/main.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'setTimeout', message: 'Use the Clock port.' },
        { name: 'setInterval', message: 'Use the Clock port.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
          message: 'Use the Clock port.',
        },
      ],
    },
  },
  {
    files: ['server/ports.ts', 'server/main.ts', 'test/**/*.ts', '.config/*.ts'],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
)
