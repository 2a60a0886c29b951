/** Where the build puts a prepared, empty data directory for PGlite, below `dist/`. */
export const PGLITE_TEMPLATE = 'database/template.tar.gz';
