// Before the first paint, so that nothing flashes, and whenever the system changes. The rest is in src/state/theme.ts.
;(function () {
  var system = matchMedia('(prefers-color-scheme: dark)')
  function apply() {
    var choice = null
    try {
      choice = localStorage.getItem('parley.theme')
    } catch {
      /* storage may be switched off */
    }
    var dark = choice === 'dark' || (choice !== 'light' && system.matches)
    document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  }
  apply()
  system.addEventListener('change', apply)
})()
