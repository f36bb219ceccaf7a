#!/bin/sh
# Make tests/data/grafana/dashboard.schema.json from the types that Grafana publishes. Needs Node.js and npm;
# the tests read what this leaves, and need neither.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json dashboard.ts "$work"
(cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts)
cat >"$work/tsconfig.json" <<'END'
{"compilerOptions": {"strict": true, "noEmit": true, "skipLibCheck": true, "module": "esnext",
 "moduleResolution": "bundler", "target": "es2022",
 "paths": {"@grafana/schema/dist/types/*": ["./node_modules/@grafana/schema/dist/types/*"]}}, "include": ["dashboard.ts"]}
END
(cd "$work" && node_modules/.bin/ts-json-schema-generator --path dashboard.ts --tsconfig tsconfig.json \
    --type AirwardenDashboard --expose none --jsDoc none --no-type-check --strict-tuples --out schema.json)
version=$(sed -n 's/.*"@grafana\/schema": "\(.*\)",/\1/p' package.json)
"${PYTHON:-python3}" assemble.py "$work/schema.json" ../../data/grafana/dashboard.schema.json "$version"
