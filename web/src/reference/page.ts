/* What plain HTML cannot do: copy buttons, a contents panel that closes when a place in it was chosen, and opening
 * what an address points into. The page is whole without. */
const contents = document.querySelector<HTMLElement>('#contents')
contents?.addEventListener('click', ({ target }) => {
  if (target instanceof Element && target.closest('a') && contents.matches(':popover-open'))
    contents.hidePopover()
})

function openTarget() {
  const id = decodeURIComponent(location.hash.slice(1))
  document.getElementById(id)?.querySelector<HTMLDetailsElement>(':scope > details')?.setAttribute('open', '')
}
addEventListener('hashchange', openTarget)
openTarget()

for (const block of document.querySelectorAll<HTMLElement>('.code')) {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'copy'
  button.textContent = 'Copy'
  button.addEventListener('click', () => {
    const text = block.querySelector('code')?.textContent ?? ''
    navigator.clipboard.writeText(text).then(
      () => (button.textContent = 'Copied'),
      () => (button.textContent = 'Not allowed'),
    )
    setTimeout(() => (button.textContent = 'Copy'), 2_000)
  })
  block.append(button)
}
