// The answer to a form, of a refusal or of what is shown once, stands for the page that the form was on: whoever loads
// it again or goes Back to it comes there, and no browser asks to send the form once more.

history.replaceState(null, "", document.referrer || "/");
