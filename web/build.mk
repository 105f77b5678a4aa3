# The page: web/dist, built by npm from the lock file.
WEB_SRCS := $(shell find web/src web/public web/api web/index.html web/vite.config.ts web/scripts docs/openapi.yaml docs/API.md -type f 2>/dev/null)
.PHONY: web screenshots
web: web/dist/index.html
web/node_modules/.stamp: web/package.json web/package-lock.json
	@echo "  NPM     web"
	$(Q)cd web && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.stamp
web/dist/index.html: web/node_modules/.stamp $(WEB_SRCS)
	@echo "  WEB     $@"
	$(Q)cd web && npm run --silent build
screenshots: web/dist/index.html ## every screen, up to four windows, two themes, into $(BUILD)/screenshots; looks for what axe finds
	$(Q)cd web && node e2e/shots.mjs $(abspath $(BUILD))/screenshots
