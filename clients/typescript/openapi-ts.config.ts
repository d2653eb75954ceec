import { defineConfig } from '@hey-api/openapi-ts';

export default defineConfig({
  input: '../../docs/reference/openapi.json',
  output: { path: 'src', clean: false },
  // Contracts of other software have clients of their own.
  parser: {
    filters: {
      tags: {
        include: ['collections', 'documents', 'search', 'keys', 'backups', 'evaluation', 'generations', 'feedback', 'health'],
      },
      orphans: false,
    },
  },
  plugins: [{ name: '@hey-api/client-fetch', includeInEntry: true, runtimeConfigPath: './paths.js' }, '@hey-api/typescript', '@hey-api/sdk'],
});
