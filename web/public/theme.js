// Before the first paint, so that nothing flashes. The rest is in src/app/theme.ts.
;(function () {
  var choice = null
  try {
    choice = localStorage.getItem('parley.theme')
  } catch {
    /* storage may be switched off */
  }
  var dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
